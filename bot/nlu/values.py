"""Spans as values that a form can take: yuan, minutes, digits, codes. Pure."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any, Optional

import phonenumbers

from bot.nlu.branches import BranchDirectory
from bot.nlu.numbers import digits_of, read_money, read_number
from bot.nlu.times import read_time

_MINUTES = {"秒": Decimal(1) / 60, "分": Decimal(1), "刻": Decimal(15), "时": Decimal(60), "天": Decimal(1440)}
_MINUTES |= {"星": Decimal(10080), "月": Decimal(43200), "年": Decimal(525600)}
_DURATION = re.compile(
    r"(?P<number>[\d.零一二两三四五六七八九十百半俩仨几]+)(?P<more>[多几来])?个?(?P<half>半)?(?:多)?"
    r"(?P<unit>秒|分钟|分|刻钟|刻|小时|钟头|点钟|时辰|点儿|钟|天|日|星期|礼拜|周|月|年)(?P<and_half>半)?"
)
_WHOLE = {
    "半天": 240,
    "大半天": 300,
    "一上午": 180,
    "一下午": 180,
    "一天": 1440,
    "一整天": 1440,
    "一宿": 480,
    "一晚上": 240,
}
_UNIT_OF = {
    "秒": "秒",
    "分钟": "分",
    "分": "分",
    "钟": "分",
    "刻钟": "刻",
    "刻": "刻",
    "小时": "时",
    "钟头": "时",
    "点钟": "时",
    "点儿": "时",
    "时辰": "时",
    "天": "天",
    "日": "天",
    "星期": "星",
    "礼拜": "星",
    "周": "星",
    "月": "月",
    "年": "年",
}
_NUMBER = re.compile(r"[\d零一二两三四五六七八九十百千万俩仨几]+[多来余]?")
_PLACEHOLDER = re.compile(r"<[A-Z]+_\d+>")


def value_of(kind: str, text: str, *, now: datetime, branches: BranchDirectory) -> Any:
    """The normalised value of a span: amount in yuan, duration in minutes, time in ISO; None when there is none."""
    if kind == "amount":
        return _plain(read_money(text))
    if kind == "duration":
        return minutes_of(text)
    if kind == "time":
        return read_time(text, now)
    if kind == "count":
        numbers = _NUMBER.findall(text)
        return _whole(read_number(numbers[-1])) if numbers else None
    if kind == "phone":
        return read_phone(text)
    if kind == "card_tail":
        return digits_of(text)[-4:] or None
    if kind == "branch":
        known = branches.find(text)
        if known is None:
            return None
        return {"code": known.code, "name": known.name, **({"alike": True} if known.alike else {})}
    return None


def _plain(number: Optional[Decimal]) -> Optional[str]:
    return None if number is None else format(number.normalize(), "f")


def _whole(number: Optional[Decimal]) -> Optional[int]:
    return None if number is None else int(number)


def minutes_of(text: str) -> Optional[int]:
    """`两个半小时` → 150, `俩钟头` → 120, `三刻钟` → 45; a lower bound where the words are vague."""
    total, found = Decimal(0), False
    for match in _DURATION.finditer(text):
        number = Decimal("0.5") if match["number"] == "半" else read_number(match["number"])
        if number is None:
            continue
        if match["half"] or match["and_half"]:
            number += Decimal("0.5")
        total += number * _MINUTES[_UNIT_OF[match["unit"]]]
        found = True
    if found:
        return int(total)
    return next((minutes for words, minutes in _WHOLE.items() if words in text), None)


def read_phone(text: str) -> Optional[str]:
    """Digits without spaces, or the placeholder that stands for them; None when it cannot be a number."""
    placeholder = _PLACEHOLDER.search(text)
    if placeholder:
        return placeholder.group()
    digits = digits_of(text)
    if 3 <= len(digits) < 7:
        return digits
    try:
        number = phonenumbers.parse(digits, "CN")
    except phonenumbers.NumberParseException:
        return None
    return digits if phonenumbers.is_possible_number(number) else None
