"""Whether two filings of one customer are the same matter: points for what agrees, bars for what cannot be. Pure.

A wrongly joined complaint is lost and a doubled one is only work: what is not sure is linked for staff to look at
(`related`) and never joined. Points were weighed on hand-written pairs and measured on others (tests/api/same_matter.yml).
"""

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from rapidfuzz import fuzz


class Verdict(StrEnum):
    """What to do with the pair; `related` is a suggestion to staff."""

    JOIN = "join"
    RELATED = "related"
    APART = "apart"


class Reason(StrEnum):
    """What spoke for or against; `label` is what staff read."""

    CAUSE_SAME = "cause_same"
    CAUSE_GUESSED = "cause_guessed"
    CAUSE_OTHER = "cause_other"
    BRANCH_SAME = "branch_same"
    BRANCH_OTHER = "branch_other"
    PRODUCT_SAME = "product_same"
    PRODUCT_OTHER = "product_other"
    AMOUNT_SAME = "amount_same"
    AMOUNT_OTHER = "amount_other"
    DAY_SAME = "day_same"
    DAY_OTHER = "day_other"
    STORY_SAME = "story_same"
    STORY_CLOSE = "story_close"
    STORY_ALIKE = "story_alike"
    STORY_TOUCHES = "story_touches"
    STORY_SHORT = "story_short"
    STORY_OTHER = "story_other"
    ASKS_AGAIN = "asks_again"
    PHONE_OTHER = "phone_other"

    @property
    def label(self) -> str:
        return _LABELS[self]


_R = Reason
_LABELS = {
    _R.CAUSE_SAME: "原因相同", _R.CAUSE_GUESSED: "原因是另一张的次可能原因", _R.CAUSE_OTHER: "原因不同",
    _R.BRANCH_SAME: "网点相同", _R.BRANCH_OTHER: "网点不同", _R.PRODUCT_SAME: "产品相同", _R.PRODUCT_OTHER: "产品不同",
    _R.AMOUNT_SAME: "金额相同", _R.AMOUNT_OTHER: "金额不同", _R.DAY_SAME: "日期相同", _R.DAY_OTHER: "日期不同",
    _R.STORY_SAME: "叙述几乎一样", _R.STORY_CLOSE: "叙述很相近",
    _R.STORY_ALIKE: "叙述相近", _R.STORY_TOUCHES: "叙述有相同之处",
    _R.STORY_SHORT: "只是追问，没有自己的内容", _R.STORY_OTHER: "叙述不同", _R.ASKS_AGAIN: "提到以前反映过",
    _R.PHONE_OTHER: "登记电话不同",
}  # fmt: skip
_POINTS = {
    _R.CAUSE_SAME: 2, _R.CAUSE_GUESSED: 1, _R.BRANCH_SAME: 1, _R.PRODUCT_SAME: 1, _R.AMOUNT_SAME: 2, _R.DAY_SAME: 2,
    _R.STORY_SAME: 6, _R.STORY_CLOSE: 4, _R.STORY_ALIKE: 3, _R.STORY_SHORT: 4, _R.STORY_TOUCHES: 2, _R.STORY_OTHER: -2,
    _R.ASKS_AGAIN: 1,
    _R.AMOUNT_OTHER: -1, _R.DAY_OTHER: -4,
}  # fmt: skip
_BARS = frozenset({_R.BRANCH_OTHER, _R.PRODUCT_OTHER, _R.PHONE_OTHER})
_JOINED_AT, _RELATED_AT = 6, 1
_UNKNOWN = "C99"  # says nothing of the matter, so that two of them have nothing in common

# Per cent of rapidfuzz.ratio: in few characters one other word is another matter (年费, 挂失费).
_NEARLY, _NEARLY_SHORT = 80, 95
_SHORTEST = 12  # characters of a story that can stand for itself whatever the cause
_EMPTY = 3  # fewer characters tell no story
_STRETCH = 3
# Pairs of characters in common: how many, and how much of the shorter story.
_SHARED = ((Reason.STORY_CLOSE, (5, 0.45)), (Reason.STORY_ALIKE, (4, 0.3)), (Reason.STORY_TOUCHES, (2, 0.15)))

_GRAMMAR = re.compile(
    r"[^\w]|[的了我你您他她它们是在就都也还这那不没有要让说到去来给上一着把又和啊吗呢吧怎么什很叫俺恁咱]"
)
# Words of whoever asks again: alone they tell of no other matter.
_ASKING = re.compile(r"上次|前几天|反映|处理|联系|回[话电复]|电话|答复|[个件]事|事情|下|结果|催|查|管|问|句|次")
_AGAIN = re.compile(
    r"反映过|上次(?:我|说|反映|那)|说过一遍|那件事|那个事|的事[，,]|处理了没|怎么还没|什么时候(?:给|补|退|恢复)|查得怎么样"
)
# Words of every complaint of a kind: cause, product and branch tell them already.
_TOPICS = re.compile(
    r"信用卡|银行卡|工资卡|社保卡|储蓄卡|身份证|手机银行|客户经理|大堂经理|取款机|存款机|柜台|柜员|窗口|经理|客服|保安|银行|网点"
    r"|大厅|电话|小时|分钟|块钱|态度|时候|排队|取钱|取款|存款|转账|汇款|办卡|开户|销户|催收|盗刷|理财|保险|基金|贷款|投诉|手续费"
    r"|手续|回家|[早中下]午|今天|昨天"
)
_BRANCH = re.compile(r"(?:支行|分行|分理处|营业部|营业厅|网点|银行)+$")
_FILLERS = re.compile(r"[\s，。、；：,.;:（）()]|的|那个|那家|这个|你们|我们")


@dataclass(frozen=True, slots=True)
class Matter:
    """What a filing tells; `amount` in yuan, `event_time` ISO or the customer's words, `phones` the blind
    indexes that its phone may have."""

    cause: str
    story: str
    guesses: frozenset[str] = frozenset()
    branch: str | None = None
    branch_name: str | None = None
    product: str | None = None
    amount: str | None = None
    event_time: str | None = None
    phones: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Likeness:
    """The verdict with what led to it."""

    verdict: Verdict
    points: int
    reasons: tuple[Reason, ...]


def compare(known: Matter, told: Matter) -> Likeness:
    """`known` stands in an open ticket, `told` is being filed by the same customer."""
    reasons = tuple(reason for found in _JUDGES if (reason := found(known, told)) is not None)
    points = sum(_POINTS.get(reason, 0) for reason in reasons)
    barred = any(reason in _BARS for reason in reasons) or {_R.AMOUNT_OTHER, _R.DAY_OTHER} <= set(reasons)
    if points >= _JOINED_AT and not barred:
        return Likeness(Verdict.JOIN, points, reasons)
    return Likeness(Verdict.RELATED if points >= _RELATED_AT else Verdict.APART, points, reasons)


def same_branch(before: str | None, now: str | None) -> bool:
    """By name, in the customer's words or the directory's; True too when one of both has no name."""
    if before is None or now is None:
        return True
    return one_in_the_other(*(_BRANCH.sub("", plain(name)) for name in (before, now)))


def one_in_the_other(first: str, second: str) -> bool:
    return first in second or second in first


def plain(text: str) -> str:
    """A name without what tells nothing."""
    return _FILLERS.sub("", text).casefold()


def day_of(moment: str | None) -> date | None:
    """The day of `YYYY-MM-DD…`; words cannot be compared."""
    with suppress(ValueError):
        return date.fromisoformat((moment or "")[:10])
    return None


def _cause(known: Matter, told: Matter) -> Reason | None:
    if known.cause == told.cause:
        return None if known.cause == _UNKNOWN else _R.CAUSE_SAME
    guessed = known.cause in told.guesses or told.cause in known.guesses
    return _R.CAUSE_GUESSED if guessed else _R.CAUSE_OTHER


def _branch(known: Matter, told: Matter) -> Reason | None:
    if known.branch is not None and told.branch is not None:
        return _R.BRANCH_SAME if known.branch == told.branch else _R.BRANCH_OTHER
    if known.branch_name is None or told.branch_name is None:
        return None
    return _R.BRANCH_SAME if same_branch(known.branch_name, told.branch_name) else None


def _product(known: Matter, told: Matter) -> Reason | None:
    if not known.product or not told.product:
        return None
    before, now = plain(known.product), plain(told.product)
    if one_in_the_other(before, now):
        return _R.PRODUCT_SAME
    half = len(set(before) & set(now)) * 2 >= min(len(set(before)), len(set(now)))
    return None if half else _R.PRODUCT_OTHER


def _amount(known: Matter, told: Matter) -> Reason | None:
    if known.amount is None or told.amount is None:
        return None
    return _R.AMOUNT_SAME if Decimal(known.amount) == Decimal(told.amount) else _R.AMOUNT_OTHER


def _day(known: Matter, told: Matter) -> Reason | None:
    before, now = day_of(known.event_time), day_of(told.event_time)
    if before is None or now is None:
        return None
    return _R.DAY_SAME if before == now else _R.DAY_OTHER


def _phone(known: Matter, told: Matter) -> Reason | None:
    """One conversation may speak for two people."""
    apart = known.phones and told.phones and known.phones.isdisjoint(told.phones)
    return _R.PHONE_OTHER if apart else None


def _asks_again(_: Matter, told: Matter) -> Reason | None:
    return _R.ASKS_AGAIN if _AGAIN.search(told.story) else None


def _story(known: Matter, told: Matter) -> Reason:
    before, now = _words(known.story), _words(told.story)
    if len(_ASKING.sub("", now)) < _EMPTY:
        return _R.STORY_SHORT
    long = min(len(before), len(now)) >= _SHORTEST
    if fuzz.ratio(before, now) >= (_NEARLY if long else _NEARLY_SHORT):
        return _R.STORY_SAME if long else _R.STORY_CLOSE
    first, second = _pairs(known.story), _pairs(told.story)
    common = _common(set(first), second)
    share = common / max(1, min(len(set(first)), len(set(second))))
    for reason, (least, part) in _SHARED:
        if common >= least and share >= part:
            return reason
    return _R.STORY_OTHER


_JUDGES = (_cause, _branch, _product, _amount, _day, _phone, _story, _asks_again)


def _words(text: str) -> str:
    return _GRAMMAR.sub("", unicodedata.normalize("NFKC", text).casefold())


def _pairs(text: str) -> list[str]:
    """Neighbouring characters, in order, that tell of this matter and not only of its kind."""
    pieces = re.split(r"\W+", _TOPICS.sub(" ", unicodedata.normalize("NFKC", text).casefold()))
    return [piece[i : i + 2] for piece in map(_words, pieces) for i in range(len(piece) - 1)]


def _common(known: set[str], told: list[str]) -> int:
    """Pairs in common, of one stretch at most _STRETCH: an opening like 门口那台 is shared by many matters."""
    count = run = 0
    seen: set[str] = set()
    for pair in told:
        run = run + 1 if pair in known else 0
        if 0 < run <= _STRETCH and pair not in seen:
            seen.add(pair)
            count += 1
    return count
