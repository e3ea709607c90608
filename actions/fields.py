"""Which facts a matter needs, which are known, and how they read. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import get_args

from contract.playbook import Playbook
from contract.ticket import Nature, TicketDraft
from contract.turn import Asks, Card, CardField

# Asked of every complaint after what its cause needs; the phone may be withheld (script X32).
_ALWAYS: tuple[Asks, ...] = ("request", "name", "phone")
# What is no complaint needs less: nobody who praises is examined.
_BY_NATURE: Mapping[Nature, tuple[Asks, ...]] = {
    Nature.PRAISE: ("narrative", "branch"),
    Nature.SUGGESTION: ("narrative", "phone"),
    Nature.TIP_OFF: ("narrative", "branch", "event_time", "phone"),
}
# In another language only what a colleague needs to call back.
FOREIGN = "外语"
JOINT = "共同投诉"
_FOREIGN_NEEDS: tuple[Asks, ...] = ("narrative", "phone")
_WHO = frozenset({"name", "phone"})

# Two failed attempts, or six times put because the customer talked of other things: it goes on without.
MAX_TRIES, MAX_ASKED = 2, 6
# A fact less sure than this is read back in one closed question.
VERIFY_BELOW = 0.6
_BY_DATE = "C5"
VERIFIED: tuple[Asks, ...] = ("branch", "event_time")
# Shorter than this, a narrative says that somebody is angry but not about what.
_VAGUE_CHARACTERS, _VAGUE_MATTER = 8, 5
_SHORT_STORY = 25
_OPENING = re.compile(
    r"你好|您好|喂|匿名|别留|不留|(?:我的)?名字|我要|我想|我来|反映|反应|投诉|举报|一下|一个|一件|问题|情况|事情?|你们|贵行|银行|网点|支行|那个|这个|有个|是这样的?|在吗"
)

LABELS: Mapping[str, str] = {
    "narrative": "经过",
    "cause": "问题类型",
    "branch": "网点",
    "event_time": "时间",
    "product": "业务",
    "amount": "金额",
    "representative_count": "人数",
    "authorization": "授权",
    "request": "您的诉求",
    "name": "称呼",
    "phone": "联系电话",
}
_STORED: Mapping[str, tuple[str, ...]] = {
    "narrative": ("narrative_raw",),
    "cause": ("cause_l1", "cause_l2"),
    "branch": ("branch", "branch_name"),
    "event_time": ("event_time", "event_time_text"),
    "request": ("request", "customer_quote"),
}
_AUTHORIZATION = {"promised": "有授权或证明材料，原件后补", "none": "暂时没有"}


def as_asks(field: str) -> Asks | None:
    """The field by its name in the contract; None for anything else."""
    return next((name for name in get_args(Asks) if name == field), None)


def next_field(
    draft: TicketDraft, *, playbook: Playbook, skipped: frozenset[str], tries: Mapping[str, int], asked: Iterable[str]
) -> Asks:
    """The one thing to ask now; `confirm` when nothing is missing any more."""
    put = tuple(asked)
    for field in needed(draft, playbook):
        if not is_known(draft, field) and field not in skipped and not is_worn_out(field, tries, put):
            return field
    return "confirm"


def is_worn_out(field: str, tries: Mapping[str, int], asked: tuple[str, ...]) -> bool:
    """Whether it has been asked for often enough to go on without it."""
    return tries.get(field, 0) >= MAX_TRIES or asked.count(field) >= MAX_ASKED


def to_verify(draft: TicketDraft, told: frozenset[str], skipped: frozenset[str]) -> Asks | None:
    """A fact that was heard but is not sure; each is asked about once."""
    # The read-back shows the date; before that it only matters where hours and dated rules hang on it.
    matters = VERIFIED if draft.cause_l1 == _BY_DATE else VERIFIED[:1]
    for field in matters:
        source = draft.sources.get(field)
        unsure = source is not None and source.confidence < VERIFY_BELOW
        if unsure and f"verify:{field}" not in told and field not in skipped:
            return field
    return None


def needed(draft: TicketDraft, playbook: Playbook) -> tuple[Asks, ...]:
    """Everything this matter needs, in the order of asking."""
    if FOREIGN in draft.tags:
        return _FOREIGN_NEEDS
    fields = _BY_NATURE.get(draft.nature) or _complaint_needs(draft, playbook)
    return tuple(field for field in fields if not (draft.anonymous and field in _WHO))


def _complaint_needs(draft: TicketDraft, playbook: Playbook) -> tuple[Asks, ...]:
    code = draft.cause_l2 or draft.cause_l1
    by_cause = playbook.taxonomy.asks(code) if code else ()
    people: tuple[Asks, ...] = ("representative_count",) if JOINT in draft.tags else ()
    papers: tuple[Asks, ...] = ("authorization",) if draft.is_agent else ()
    return ("narrative", *by_cause, *people, *papers, *_ALWAYS)


def missing(draft: TicketDraft, playbook: Playbook) -> tuple[str, ...]:
    """What the ticket still lacks, for the bridge, the desk and the ticket itself."""
    return tuple(field for field in needed(draft, playbook) if not is_known(draft, field))


def is_known(draft: TicketDraft, field: str) -> bool:
    """Whether the customer has already said it."""
    match field:
        case "narrative":
            return not _is_untold(draft)
        case "branch":
            return draft.branch is not None or draft.branch_name is not None
        case "event_time":
            return draft.event_time is not None or draft.event_time_text is not None
        case _:
            return getattr(draft, field, None) is not None


def stored_in(field: str) -> tuple[str, ...]:
    """The names in the draft that hold a fact."""
    return _STORED.get(field, (field,))


def facts(draft: TicketDraft) -> tuple[object, ...]:
    """What the customer may be asked for, as known so far."""
    return (
        draft.branch_name, draft.event_time_text, draft.event_time, draft.product, draft.amount, draft.name, draft.phone,
        draft.request, draft.customer_quote, draft.representative_count, draft.authorization, draft.cause_l1,
    )  # fmt: skip


def _is_untold(draft: TicketDraft) -> bool:
    """Vague, or so short that no cause could be made of it; what is no complaint needs none."""
    told = draft.narrative_raw or ""
    no_cause = draft.nature is Nature.COMPLAINT and draft.cause_l1 in (None, "C99")
    return is_vague(told) or (no_cause and len(told) < _SHORT_STORY and FOREIGN not in draft.tags)


def is_vague(narrative: str) -> bool:
    """Whether it says that somebody has something to say, and not what."""
    words = re.sub(r"\W|<[A-Z]+_\d+>", "", narrative)
    return len(words) < _VAGUE_CHARACTERS or len(_OPENING.sub("", words)) < _VAGUE_MATTER


def read_back_card(draft: TicketDraft, playbook: Playbook) -> Card:
    """What will be filed, line by line; a line left out was not said."""
    values: dict[str, str | None] = {name: shown(draft, name, playbook) for name in LABELS}
    if draft.nature in _BY_NATURE and draft.nature is not Nature.TIP_OFF:
        values["cause"] = draft.nature.value
    if not draft.phone:
        values["phone"] = "匿名，不留" if draft.anonymous else "未留（回到这个对话里查进度）"
    lines = tuple(CardField(name=name, label=LABELS[name], value=value) for name, value in values.items() if value)
    return Card(kind="read_back", title="请核对", fields=lines)


def shown(draft: TicketDraft, field: str, playbook: Playbook) -> str | None:
    """One fact as the customer reads it back."""
    match field:
        case "narrative":
            return shorten((draft.narrative_raw or "").replace("\n", "；"), 80)
        case "cause":
            cause = draft.cause_l2 or draft.cause_l1
            return playbook.taxonomy.name(cause) if cause else None
        case "branch":
            return draft.branch_name
        case "event_time":
            return event_time_text(draft)
        case "amount":
            return f"{draft.amount} 元" if draft.amount else None
        case "representative_count":
            return f"{draft.representative_count} 人" if draft.representative_count else None
        case "authorization":
            return _AUTHORIZATION.get(draft.authorization or "")
        case "request":
            return draft.customer_quote or (draft.request.value if draft.request else None)
        case _:
            value: str | None = getattr(draft, field)
            return value


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
