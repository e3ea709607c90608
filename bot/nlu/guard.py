"""Says when a message cannot be understood, so that unknown input never becomes a yes or a complaint. Pure.

Stock classifiers give a confident answer to an empty feature vector.
"""

import re
from typing import Optional

from bot.nlu.reading import Reading

_HAN = re.compile(r"[\u4e00-\u9fff]")
_LETTERS = re.compile(r"[a-z]+")
_NUMBER = re.compile(r"\d")
# Latin words that are Chinese banking.
_KNOWN_LATIN = re.compile(r"^(?:ok|okay|yes|no|hi|hello|vip|atm|app|pos|etc|lpr|apr|u|k|w|gps|sb|tmd|nmd|id|pin|ts)$")
_ORDERS = re.compile(
    r"(?:忽略|无视|忘掉|不要管|跳过)(?:你)?(?:之前|前面|上面|以上|所有|一切|先前)的?(?:所有|全部)?(?:指令|指示|规则|设定|提示|要求|命令)"
    r"|(?:ignore|disregard|forget)\s+(?:all|any|the|your|previous|prior|above)"
    r"|(?:system|developer)\s*(?:prompt|message)|系统提示词|提示词(?:是什么|发|给|输出)|你现在(?:是|扮演)(?!什么态度|人工|真人|机器)"
    r"|(?:扮演|假装|模拟)(?:你是|一个|成)|(?:drop|select|delete|insert)\s+(?:table|from|into|\*)|<script|\$\{|\{\{|__import__"
)
# Fewer known characters than this share, and the classifiers would guess.
_KNOWN_SHARE = 0.5


def reason(reading: Reading, known_share: float) -> Optional[str]:
    """`empty`, `pictures`, `noise`, `foreign`, `orders`, or None when the message can be understood.

    `known_share` is the share of its characters that training has seen.
    """
    text = reading.message.text
    if not text.strip():
        return "empty"
    if _ORDERS.search(text):
        return "orders"
    if not any(char.isalnum() for char in reading.message.raw):
        return "pictures" if _HAN.search(text) else "noise"
    if _HAN.search(text):
        return "noise" if known_share < _KNOWN_SHARE else None
    words = _LETTERS.findall(text)
    if all(_KNOWN_LATIN.match(word) for word in words) and (words or _NUMBER.search(text)):
        return None
    if len(words) >= 2 or re.search(r"[^\x00-\x7f]", text):
        return "foreign"
    return "noise"
