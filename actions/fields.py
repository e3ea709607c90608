"""Which facts a complaint needs, which are known, and how they read. Pure."""

import re
from datetime import datetime

from contract.playbook import Playbook
from contract.ticket import TicketDraft
from contract.turn import Asks, Card, CardField

# Asked of every complaint after what its cause needs; the phone may be withheld (script X32).
_ALWAYS: tuple[Asks, ...] = ("request", "name", "phone")
_MAX_TRIES = 2
# Shorter than this, a narrative says that somebody is angry but not about what.
_VAGUE_CHARACTERS = 8

_LABELS: dict[str, str] = {
    "narrative": "经过",
    "cause": "问题类型",
    "branch": "网点",
    "event_time": "时间",
    "product": "业务",
    "amount": "金额",
    "request": "您的诉求",
    "name": "称呼",
    "phone": "联系电话",
}


def label(field: str) -> str:
    """The Chinese name of a field."""
    return _LABELS.get(field, field)


def next_field(draft: TicketDraft, *, playbook: Playbook, skipped: frozenset[str], tries: dict[str, int]) -> Asks:
    """The one thing to ask now; `confirm` when nothing is missing any more."""
    for field in needed(draft, playbook):
        if not is_known(draft, field) and field not in skipped and tries.get(field, 0) < _MAX_TRIES:
            return field
    return "confirm"


def needed(draft: TicketDraft, playbook: Playbook) -> tuple[Asks, ...]:
    """Everything this complaint needs, in the order of asking."""
    code = draft.cause_l2 or draft.cause_l1
    return ("narrative", *(playbook.taxonomy.asks(code) if code else ()), *_ALWAYS)


def missing(draft: TicketDraft, playbook: Playbook) -> tuple[str, ...]:
    """What the ticket still lacks, for the bridge and the desk."""
    return tuple(field for field in needed(draft, playbook) if not is_known(draft, field))


def is_known(draft: TicketDraft, field: str) -> bool:
    """Whether the customer has already said it."""
    match field:
        case "narrative":
            return not is_vague(draft.narrative_raw or "")
        case "branch":
            return draft.branch is not None or draft.branch_name is not None
        case "event_time":
            return draft.event_time is not None or draft.event_time_text is not None
        case _:
            return getattr(draft, field) is not None


def facts(draft: TicketDraft) -> tuple[str | None, ...]:
    """What the customer may be asked for, as known so far."""
    return (draft.branch_name, draft.event_time_text, draft.product, draft.amount, draft.name, draft.phone)


def is_vague(narrative: str) -> bool:
    return len(re.sub(r"\W", "", narrative)) < _VAGUE_CHARACTERS


def read_back_card(draft: TicketDraft, playbook: Playbook) -> Card:
    """What will be filed, line by line; a line left out was not said."""
    cause = draft.cause_l2 or draft.cause_l1
    values: dict[str, str | None] = {
        "narrative": shorten(draft.narrative_raw or "", 80),
        "cause": playbook.taxonomy.name(cause) if cause else None,
        "branch": draft.branch_name,
        "event_time": event_time_text(draft),
        "product": draft.product,
        "amount": f"{draft.amount} 元" if draft.amount else None,
        "request": draft.customer_quote or (draft.request.value if draft.request else None),
        "name": draft.name,
        "phone": draft.phone or "未留（回到这个对话里查进度）",
    }
    lines = tuple(CardField(name=name, label=label(name), value=value) for name, value in values.items() if value)
    return Card(kind="read_back", title="请核对", fields=lines)


def event_time_text(draft: TicketDraft) -> str | None:
    """The customer's words for the time, with the date they mean."""
    if draft.event_time is None:
        return draft.event_time_text
    try:
        moment = datetime.fromisoformat(draft.event_time)
    except ValueError:
        return draft.event_time_text or draft.event_time
    date = f"{moment.year}年{moment.month}月{moment.day}日"
    return f"{date}（{draft.event_time_text}）" if draft.event_time_text else date


def shorten(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
