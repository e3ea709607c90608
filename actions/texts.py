"""Fixed choices, the explicit words that file a complaint, the customer's words said back, dates. Pure."""

import re
from datetime import datetime, timedelta, timezone

from contract.playbook import Phrases
from contract.turn import Choice

CONFIRM_CHOICES = (
    Choice(label="确认提交", payload="confirm:yes"),
    Choice(label="改一下", payload="confirm:change"),
    Choice(label="先不提交", payload="confirm:no"),
)
HUMAN_CHOICES = (Choice(label="转人工", payload="human:yes"), Choice(label="继续登记", payload="human:no"))
REQUEST_CHOICES = tuple(
    Choice(label=label, payload=f"request:{value}")
    for label, value in (("给我核实清楚", "核实"), ("道歉", "道歉"), ("退钱", "退费"), ("改正过来", "更正"))
)
OTHER_CAUSE = Choice(label="都不是", payload="cause:C99")

# Fields with a shorter question for heated moments.
SHORT = frozenset({"branch", "event_time", "product", "amount", "request", "name", "phone"})
AUTHORIZATION_CHOICES = (
    Choice(label="有，原件后补", payload="authorization:promised"),
    Choice(label="暂时没有", payload="authorization:none"),
)
WITHDRAW_CHOICES = (Choice(label="撤回", payload="withdraw:yes"), Choice(label="不撤，接着办", payload="withdraw:no"))
RIGHT_CHOICES = (Choice(label="对", payload="right:yes"), Choice(label="不对", payload="right:no"))
START_CHOICES = (
    Choice(label="我要投诉", payload="start:complaint"),
    Choice(label="查进度", payload="start:progress"),
    Choice(label="转人工", payload="human:yes"),
)

# Filing from free text takes one of these and nothing else in the message: an intent model once read an angry emoji as
# "yes".
# A yes is made of these words and nothing else: "没问题，就这样提交吧".
_YES = re.compile(
    r"(?:yes|confirm|submit)+|(?:现在|这下|这回|这次)(?:都|就)?(?:对|好|没错)了|(?:(?:现在|这下|这回|这次)(?:都|就)?(?:对|好|行|没错|可以)了)?(?:现在|这下|这回|看了|核对了|那|都|就)*(?:(?:确认|确定|可以|没错|没问题|没毛病|正确|无误|准确|对|是|好|行|ok|就这样|就这么|提交)(?:提交了|的|吧|啊|嘅)?)+",
    re.IGNORECASE,
)
# The few traditional characters of an explicit yes; the bot's environment has the full converter, this one has none.
_SIMPLIFIED = str.maketrans("確認沒錯對這樣問題報準無誤", "确认没错对这样问题报准无误")

_BEIJING = timezone(timedelta(hours=8))
_SWEAR = re.compile(
    r"[妈马]的|他妈|特么|尼玛|操|草泥|[傻煞][逼比b]|滚|死|骗子|畜生|垃圾|王八|cnm|tmd|nm", re.IGNORECASE
)
# Placeholders, greetings, and questions put to us read badly when said back.
_NOT_QUOTED = re.compile(
    r"[<>]|你好|您好|怎么回事|凭什么|吗$|呢$|投诉你|投诉您|我要投诉|反映一下|反映(?:个|一个|一件)|(支行|网点|营业部|分理处)$"
)
_CLAUSE = re.compile(r"[，。！？!?,；;…\s]+")
_QUOTE_CHARACTERS = range(4, 27)


def is_confirmation(text: str) -> bool:
    """Whether the whole message is an explicit yes to the read-back."""
    if "?" in text or "？" in text:
        return False
    return _YES.fullmatch(re.sub(r"[\W_]", "", text).translate(_SIMPLIFIED)) is not None


def heard(text: str, phrases: Phrases) -> str | None:
    """The customer's own words to repeat: the fullest short clause without swearing, numbers of theirs, questions, or
    words that the bank must not say (`phrases`)."""
    clauses = (clause for clause in _CLAUSE.split(text) if _is_quotable(clause) and not phrases.violations(clause))
    return max(clauses, key=len, default=None)


def _is_quotable(clause: str) -> bool:
    return len(clause) in _QUOTE_CHARACTERS and not _SWEAR.search(clause) and not _NOT_QUOTED.search(clause)


def moment_text(value: str) -> str:
    """An ISO time as a customer reads a deadline: `11月26日 23:59 前`."""
    moment = datetime.fromisoformat(value)
    return f"{moment.month}月{moment.day}日 {moment:%H:%M} 前"


def time_text(moment: datetime) -> str:
    """A published moment in the customer's clock: `11月26日 20:00`."""
    local = moment.astimezone(_BEIJING)
    return f"{local.month}月{local.day}日 {local:%H:%M}"


def day_text(value: str) -> str:
    """An ISO time as the day of a deadline: `2026年12月10日前`."""
    moment = datetime.fromisoformat(value)
    return f"{moment.year}年{moment.month}月{moment.day}日前"


_DIGITS = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}


def whole_number(text: str) -> int | None:
    """ "十五", "两百", "8" as a number of people; None for what is none."""
    if text.isdecimal():
        return int(text)
    if not text:
        return None
    total, digit = 0, 0
    for char in text:
        if char in _DIGITS:
            digit = _DIGITS[char]
        elif char in "十百":
            total += (digit or 1) * (10 if char == "十" else 100)
            digit = 0
    # "一百二" is 120.
    tail = digit * 10 if text[-1] in _DIGITS and "百" in text[-2:-1] else digit
    return total + tail or None
