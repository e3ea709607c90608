"""Finds card and identity numbers in free text, however they were typed, and tells them from other long numbers.

A number proves itself: the identity number by region, birthday and check digit (GB 11643), a card by its issuer's range and
Luhn's digit (ISO/IEC 7812). Where the words before it say what it is (卡号, 护照), it need not. Also found, because they name
one person as long as they live: identity numbers with a wrong last digit, and the fifteen digits of the first generation
(no longer valid since 2013, but the new number is made of them). Not searched for: the unified social credit code, which
names an organisation in a public register (企业信息公示暂行条例).
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from stdnum import luhn
from stdnum.cn import ric

# Chinese digits, the small and the large ones, simplified and traditional; one character for one, so that offsets stay true.
_CHINESE = dict(zip("零〇○一二三四五六七八九幺么壹贰叁肆伍陆柒捌玖貳參陸", "00012345678911123456789236", strict=True))
_OTHER = {"—": "-", "–": "-", "−": "-", "‐": "-", "‑": "-", "～": "-"}


class _Plain(dict[int, str]):
    """For str.translate: any character as the ASCII one that it is a form of (full width, circled, bold …).

    What it has not met yet it learns, because str.translate is slow with characters that a table lacks.
    """

    def __missing__(self, code: int) -> str:
        char = chr(code)
        narrow = _OTHER.get(char) or unicodedata.normalize("NFKC", char)
        self[code] = found = narrow if len(narrow) == 1 and narrow.isascii() else char
        return found


_DIGITS = _Plain({ord(char): digit for char, digit in _CHINESE.items()})
_THREE_DIGITS = re.compile(rf"(?:[\d⁰¹²³⁴-⁹₀-₉①-⑨⓪❶-❾{''.join(_CHINESE)}]\W{{0,4}}){{3}}")


def digits_of(text: str) -> str:
    """Every form of a character as the ASCII one, and Chinese digits as figures; as long as `text`."""
    return text if text.isascii() else text.translate(_DIGITS)


def has_number(text: str) -> bool:
    """Whether there is anything to look at: most texts have none, and this is the quick way past them."""
    return _THREE_DIGITS.search(text) is not None


_MASK = r"*＊"
# Between the groups of one number: blanks, hyphens, dots, line breaks, what nobody sees; commas only between groups of four.
_GAP = re.compile(r"[\s\-._·•:\u200b-\u200f\u2060\ufeff\ufe0f\u20e3]{1,4}|\s?[,，、/|;；+]\s?")
_GROUP = re.compile(r"\d+")
_CHECK = re.compile(r"[\s\-._]{0,2}[Xx×](?![A-Za-z0-9])")
_CARD, _LONGEST = 13, 19  # digits
_SHORTEST = re.compile(r"(?:\d\D*){7}")  # of a passport; what has fewer digits in all holds no personal number
_WORDS_BEFORE = 12  # characters that may say what a number is

# Region of issue: the first digits of every identity number (GB/T 2260).
_REGIONS = "1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]|91"
_SHAPE_18 = re.compile(rf"(?:{_REGIONS})\d{{4}}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{{3}}[\dX]")
_SHAPE_15 = re.compile(rf"(?:{_REGIONS})\d{{4}}\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{{3}}")

# Issuers' ranges by length: UnionPay 62 and 60/69, old domestic ranges 9, Visa, MasterCard, JCB, Amex, Diners, Discover.
_CARDS = re.compile(
    r"6(?:0|2|5|9|4)\d{14,17}|9\d{15,18}|4(?:\d{12}|\d{15}|\d{18})|5[0-9]\d{14}|35\d{14}|3[47]\d{13}|3[068]\d{12}|2[2-7]\d{14}"
)
_UNIONPAY = re.compile(r"62\d{14,17}")
_MOBILE = re.compile(r"(?:86)?1[3-9]\d{9}")
_HOTLINE = re.compile(r"9[56]\d{3}|[48]00\d{7}")

# Words that say what the next number is.
_CARD_SAID = re.compile(
    r"(?:卡号|账号|帐号|户号|银行卡|储蓄卡|信用卡|借记卡|贷记卡|社保卡|存折|卡片?号码|card(?:\s?(?:no|number))?)"
    r"[号码是为叫：:=\s(（\[“\"'.#]{0,5}(?=\d)",
    re.I,
)
_OTHER_SAID = re.compile(
    r"(?:订单|流水|工单|凭证|交易|参考|运单|快递|受理|业务|合同|保单|票据|机器|设备)(?:编号|单号|号码?|编码)[是为：:\s]{0,3}$"
)
_SAID_DIGITS = re.compile(r"\d(?:[ \-.]?\d){11,21}(?!\d)")
_PASSPORT = re.compile(
    r"(?:护照|通行证|台胞证|回乡证|passport)[号码是为：:\s(（]{0,5}(?:no\.?\s?)?(?P<number>[A-Z][A-Z]?\d{7,10})(?![A-Za-z0-9])",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a personal number stands in the text, and what may be kept of it (`622202******1234`)."""

    start: int
    end: int
    kept: str


class _Group(NamedTuple):
    start: int
    end: int
    digits: str


def personal_numbers(text: str) -> list[Found]:
    """Card and identity numbers from left to right, none within another. `text` as `digits_of` gives it."""
    if not _SHORTEST.search(text):
        return []
    found = [one for chain in _chains(text) if _is_long(chain) for one in _in_chain(text, chain)]
    taken = [(one.start, one.end) for one in found]
    for one in _said(text):
        if all(one.end <= start or end <= one.start for start, end in taken):
            found.append(one)
    return sorted(found, key=lambda one: one.start)


def shortened(number: str) -> str:
    """Six and four digits stay; of a short one (passport) the first and the last."""
    if len(number) < 12:
        return f"{number[0]}{'*' * (len(number) - 2)}{number[-1]}"
    return f"{number[:6]}{'*' * (len(number) - 10)}{number[-4:]}"


def _chains(text: str) -> Iterator[list[_Group]]:
    """Groups of digits with nothing but gaps between them."""
    chain: list[_Group] = []
    for match in _GROUP.finditer(text):
        if chain and not _GAP.fullmatch(text, chain[-1].end, match.start()):
            yield chain
            chain = []
        chain.append(_Group(match.start(), match.end(), match.group()))
    if chain:
        yield chain


def _is_long(chain: list[_Group]) -> bool:
    """Enough digits for a card."""
    return sum(len(group.digits) for group in chain) >= _CARD


def _in_chain(text: str, chain: list[_Group]) -> Iterator[Found]:
    first = 0
    while first < len(chain):
        found = _longest_from(text, chain, first)
        if found is None:
            first += 1
            continue
        one, last = found
        yield one
        first = last + 1


def _longest_from(text: str, chain: list[_Group], first: int) -> tuple[Found, int] | None:
    """The longest number that begins with this group: a proven one, else what is a UnionPay card by its range."""
    if _OTHER_SAID.search(text, max(0, chain[first].start - _WORDS_BEFORE), chain[first].start):
        return None
    likely: tuple[Found, int] | None = None
    proven: tuple[Found, int] | None = None
    digits = ""
    for last in range(first, len(chain)):
        digits += chain[last].digits
        if len(digits) > _LONGEST:
            break
        groups = chain[first : last + 1]
        if len(digits) < _CARD or not _belongs_together(text, groups) or _beside_mask(text, groups):
            continue
        end, number = chain[last].end, digits
        if len(digits) == 17 and (check := _CHECK.match(text, end)):
            end, number = check.end(), digits + "X"
        one = Found(groups[0].start, end, shortened(number)), last
        if _is_proven(number):
            proven = one
        elif _UNIONPAY.fullmatch(number):
            # Mistyped, it still is a card; written in fours, its end belongs to it even where less would be proven.
            in_fours = last > first and all(len(group.digits) <= 4 for group in groups)
            if proven is None or in_fours:
                likely = one
    return likely if likely and (proven is None or likely[1] > proven[1]) else proven


def _is_proven(number: str) -> bool:
    if len(number) == 18 and (_SHAPE_18.fullmatch(number) or _is_identity(number)):
        return True
    if len(number) == 15 and _SHAPE_15.fullmatch(number):
        return True
    return _CARDS.fullmatch(number) is not None and bool(luhn.is_valid(number))


def _is_identity(number: str) -> bool:
    try:
        return bool(ric.is_valid(number))
    except KeyError:  # a county that the library does not know, of a province that it does
        return False


def _belongs_together(text: str, groups: list[_Group]) -> bool:
    """Whether groups may be one number: not a phone or a hotline beside it, and not amounts or a list."""
    if len(groups) == 1:
        return True
    if any(_MOBILE.fullmatch(group.digits) or _HOTLINE.fullmatch(group.digits) for group in groups):
        return False
    gaps = [text[left.end : right.start] for left, right in pairwise(groups)]
    if any("." in gap for gap in gaps) and not all("." in gap for gap in gaps):
        return False
    by_comma = any(char in gap for gap in gaps for char in ",，、/|;；+:")
    return not by_comma or all(len(group.digits) == 4 for group in groups[:-1]) or _as_identity(groups)


def _as_identity(groups: list[_Group]) -> bool:
    return [len(group.digits) for group in groups[:2]] == [6, 8]


def _beside_mask(text: str, groups: list[_Group]) -> bool:
    """The visible part of a number that is masked already."""
    return text[groups[0].start - 1 : groups[0].start] in tuple(_MASK) or text[
        groups[-1].end : groups[-1].end + 1
    ] in tuple(_MASK)


def _said(text: str) -> Iterator[Found]:
    for said in _CARD_SAID.finditer(text):
        number = _SAID_DIGITS.match(text, said.end())
        if number is not None and not _MOBILE.fullmatch(bare := re.sub(r"\D", "", number.group())):
            yield Found(number.start(), number.end(), shortened(bare))
    for match in _PASSPORT.finditer(text):
        yield Found(*match.span("number"), shortened(match["number"].upper()))
