"""Fixed choices, the explicit words that file a complaint, and the slots of the playbook's texts. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime

from actions import branch_facts
from actions.explain import Situation
from actions.tracker import Turn
from contract.branch import Branch
from contract.playbook import Phrases, Playbook
from contract.ticket import TicketDraft
from contract.turn import Asks, Choice

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

ASKED_FIELDS: Mapping[str, Asks] = {
    "narrative": "narrative",
    "branch": "branch",
    "event_time": "event_time",
    "product": "product",
    "amount": "amount",
    "request": "request",
    "name": "name",
    "phone": "phone",
}

# Filing from free text takes one of these and nothing else in the message: an intent model once read an angry emoji as
# "yes".
# A yes is made of these words and nothing else: "没问题，就这样提交吧".
_YES = re.compile(
    r"(?:都|就)?(?:(?:确认|确定|可以|没错|没问题|没毛病|正确|无误|准确|对|是|好|行|中|嗯|ok|就这样|就这么|提交|报)(?:提交了|的|吧|啊|嘅)?)+",
    re.IGNORECASE,
)
# The few traditional characters of an explicit yes; the bot's environment has the full converter, this one has none.
_SIMPLIFIED = str.maketrans("確認沒錯對這樣問題報準無誤", "确认没错对这样问题报准无误")

_SWEAR = re.compile(
    r"[妈马]的|他妈|特么|尼玛|操|草泥|[傻煞][逼比b]|滚|死|骗子|畜生|垃圾|王八|cnm|tmd|nm", re.IGNORECASE
)
# Placeholders, greetings, and questions put to us read badly when said back.
_NOT_QUOTED = re.compile(r"[<>]|你好|您好|怎么回事|凭什么|吗$|呢$|投诉你|投诉您|我要投诉|(支行|网点|营业部|分理处)$")
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


def situation(
    turn: Turn,
    draft: TicketDraft,
    branch: Branch | None,
    playbook: Playbook,
    names: Mapping[str, str] | None = None,
) -> Situation:
    """Everything that the choice and the wording of a script depend on."""
    moment = _moment(draft)
    amount = f"{draft.amount}元" if draft.amount else None
    slots = {"heard": heard(turn.text, playbook.phrases), "amount": amount, "product": draft.product}
    if branch is not None:
        slots |= {
            "branch_name": branch.name,
            "hours": branch_facts.hours_text(branch, moment),
            "handover": branch_facts.handover_text(branch),
            "machines": branch.machines,
            "nearest": branch_facts.nearest_text(branch, dict(names or {})),
            "windows": str(branch.windows) if branch.windows else None,
        }
    slots["bank"] = playbook.organisation.name
    conditions = set(branch_facts.conditions(branch, moment))
    if moment is not None:
        conditions.add("event_time_known")
    if draft.amount is not None:
        conditions.add("amount_known")
    return Situation(
        cause=draft.cause_l2 or draft.cause_l1,
        level=turn.level,
        day=turn.now.date(),
        conditions=frozenset(conditions),
        slots={name: value for name, value in slots.items() if value},
    )


def moment_text(value: str) -> str:
    """An ISO time as a customer reads a deadline: `11月26日 23:59 前`."""
    moment = datetime.fromisoformat(value)
    return f"{moment.month}月{moment.day}日 {moment:%H:%M} 前"


def day_text(value: str) -> str:
    """An ISO time as the day of a deadline: `2026年12月10日前`."""
    moment = datetime.fromisoformat(value)
    return f"{moment.year}年{moment.month}月{moment.day}日前"


def _moment(draft: TicketDraft) -> datetime | None:
    """When it happened; only a value with a time of day says anything about opening hours."""
    if draft.event_time is None or "T" not in draft.event_time:
        return None
    try:
        return datetime.fromisoformat(draft.event_time)
    except ValueError:
        return None
