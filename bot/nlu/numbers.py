"""Amounts, counts and durations as people say them, as numbers. Pure."""

import re
from decimal import Decimal, InvalidOperation
from typing import Optional

import cn2an

_DIGITS = {char: str(value) for value, char in enumerate("零一二三四五六七八九")} | {"〇": "0", "两": "2", "幺": "1"}
_DIGITS |= {"俩": "2", "仨": "3"}
_UNITS = {"十": 10, "百": 100, "千": 1_000, "k": 1_000, "万": 10_000, "w": 10_000, "亿": 100_000_000}
_LATIN = re.compile(r"(?<=\d)[kw](?![a-z])", re.I)
# "多", "来", "左右" say that the number is a lower bound; the number itself stands.
_ABOUT = re.compile(r"多|来|余|好|大概|大约|约|差不多|将近|近|快|小|左右|上下|出头|不到|整|少说|足足|第|共|总")
_VAGUE = re.compile(r"几|数|半|若干|上百|上千")
# "三万五" is 35,000: a single digit after a unit counts a tenth of that unit.
_TRAILING = re.compile(r"(?P<unit>[十百千万亿])(?P<digit>[一二两三四五六七八九\d])$")
# "二十六七", "五六十": two numbers in a row are a range; the lower one is certain.
_RANGE = re.compile(
    r"(?<![零一二两三四五六七八九])([一二两三四五六七八])([二三四五六七八九])(?![零一二三四五六七八九])"
)
_MONEY = re.compile(r"人民币|美元|美金|欧元|英镑|港币|港元|日元|块钱|元钱|圆|块|元|￥|¥|\$|钱|rmb", re.I)
_COINS = re.compile(
    r"^(?P<yuan>.*?)(?:元|块|圆)(?:钱)?零?(?:(?P<jiao>[一二两三四五六七八九\d])(?:毛|角)?(?:零?(?P<fen>[一二两三四五六七八九\d])分)?"
    r"|零?(?P<only_fen>[一二两三四五六七八九\d])分)(?:钱)?$"
)
_JIAO = re.compile(r"^(?P<jiao>[一二两三四五六七八九\d])(?:毛|角)(?:(?P<fen>[一二两三四五六七八九\d])分?)?(?:钱)?$")
_FEN = re.compile(r"^(?P<fen>[一二两三四五六七八九\d])分(?:钱)?$")


def read_number(text: str) -> Optional[Decimal]:
    """`三万五` → 35000, `1千2` → 1200, `3,280.00` → 3280.00, `一百多` → 100. None when the words name no number."""
    plain = _ABOUT.sub("", re.sub(r"[\s,，]", "", text))
    if not plain or _VAGUE.search(plain):
        return None
    try:
        return Decimal(plain)
    except InvalidOperation:
        return _spoken(plain)


def _spoken(text: str) -> Optional[Decimal]:
    text = _LATIN.sub(lambda unit: {"k": "千", "w": "万"}[unit.group().lower()], text)
    text = _RANGE.sub(_lower, text.replace("俩", "两").replace("仨", "三"))
    trailing = _TRAILING.search(text)
    if trailing and trailing["unit"] != "十":
        tenth = _UNITS[trailing["unit"]] // 10
        rest = _converted(text[: trailing.start("digit")])
        return None if rest is None else rest + tenth * int(_digit(trailing["digit"]))
    return _converted(text)


def _lower(match: "re.Match[str]") -> str:
    return match[1] if int(_digit(match[2])) == int(_digit(match[1])) + 1 else match[0]


def _converted(text: str) -> Optional[Decimal]:
    try:
        return Decimal(str(cn2an.cn2an(text.replace("两", "二"), "smart")))
    except (ValueError, InvalidOperation, KeyError, IndexError):
        return _mixed(text)


def _mixed(text: str) -> Optional[Decimal]:
    """`1千2百`, `3.5万`: figures with spoken units, which cn2an refuses."""
    total, rest = Decimal(0), text
    for match in re.finditer(r"(\d+(?:\.\d+)?|[一二两三四五六七八九])([十百千万亿])", text):
        value = match.group(1)
        total += Decimal(_digit(value)) * _UNITS[match.group(2)]
        rest = rest.replace(match.group(), "", 1)
    if rest == text:
        return None
    if not rest or rest in "零〇":
        return total
    try:
        return total + Decimal("".join(_DIGITS.get(char, char) for char in rest))
    except InvalidOperation:
        return None


def _digit(char: str) -> str:
    return _DIGITS.get(char, char)


def read_money(text: str) -> Optional[Decimal]:
    """Yuan: `25块8` → 25.8, `八毛` → 0.8, `两百五` → 250. None for `几百块`."""
    plain = re.sub(r"\s", "", text)
    for pattern in (_COINS, _JIAO, _FEN):
        match = pattern.match(_ABOUT.sub("", plain))
        if match:
            parts = {"yuan": "", "jiao": "", "fen": "", **match.groupdict(default="")}
            parts["fen"] = parts["fen"] or parts.get("only_fen", "")
            yuan = read_number(parts["yuan"]) if parts["yuan"] else Decimal(0)
            jiao, fen = (_digit(parts[name]) or "0" for name in ("jiao", "fen"))
            return None if yuan is None else yuan + Decimal(f"0.{jiao}{fen}").normalize()
    return read_number(_MONEY.sub("", plain))


def digits_of(text: str) -> str:
    """Spoken or written digits in a row: `幺五九 二二三幺` → `1592231`."""
    return "".join(_digit(char) for char in text if char in _DIGITS or char.isdecimal())
