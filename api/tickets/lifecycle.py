"""What may happen to a ticket: pure rules, no SQL, no clock.

A ticket waits for the unit it was routed to (new), is worked on (accepted, investigating, waiting_*), answered (proposed),
and ends (closed_*, withdrawn, rejected_not_complaint, or merged into another). The state follows from the thread alone
(`state_of`); the ticket's row keeps it so that it can be searched.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeVar

from api.core.errors import ApiError
from api.core.security import Role


class State(StrEnum):
    """Where a ticket stands."""

    NEW = "new"
    ACCEPTED = "accepted"
    INVESTIGATING = "investigating"
    WAITING_CUSTOMER = "waiting_customer"
    WAITING_THIRD_PARTY = "waiting_third_party"
    PROPOSED = "proposed"
    CLOSED_RESOLVED = "closed_resolved"
    CLOSED_EXPLAINED = "closed_explained"
    WITHDRAWN = "withdrawn"
    REJECTED_NOT_COMPLAINT = "rejected_not_complaint"
    MERGED = "merged"


WAITING_STATES = (State.WAITING_CUSTOMER, State.WAITING_THIRD_PARTY)
# A unit has accepted it and owes the decision.
HANDLED_STATES = (State.ACCEPTED, State.INVESTIGATING, *WAITING_STATES)
# The decision is still owed; an answered ticket no longer runs late.
RUNNING_STATES = (State.NEW, *HANDLED_STATES)
OPEN_STATES = (*RUNNING_STATES, State.PROPOSED)
# Decided and told; the other ends come without a decision.
DECIDED_STATES = (State.PROPOSED, State.CLOSED_RESOLVED, State.CLOSED_EXPLAINED)
CLOSED_STATES = (
    State.CLOSED_RESOLVED,
    State.CLOSED_EXPLAINED,
    State.WITHDRAWN,
    State.REJECTED_NOT_COMPLAINT,
    State.MERGED,
)

LABELS: Mapping[State, str] = {
    State.NEW: "已登记，等待受理",
    State.ACCEPTED: "处理中",
    State.INVESTIGATING: "核查中",
    State.WAITING_CUSTOMER: "等待客户补充",
    State.WAITING_THIRD_PARTY: "等待有关方面回复",
    State.PROPOSED: "已答复",
    State.CLOSED_RESOLVED: "已办结",
    State.CLOSED_EXPLAINED: "已说明办结",
    State.WITHDRAWN: "已撤回",
    State.REJECTED_NOT_COMPLAINT: "不按投诉办理",
    State.MERGED: "已合并办理",
}


class EventType(StrEnum):
    """Everything the thread of a ticket can hold; `create`, `recount`, `receipt` (a back office's number) and `evidence` (files that came)
    are written by the system only.
    """

    CREATE = "create"
    ACCEPT = "accept"
    REJECT = "reject"
    ASSIGN = "assign"
    INVESTIGATE = "investigate"
    WAIT = "wait"
    RESUME = "resume"
    COMMENT = "comment"
    CONTACT = "contact"
    EXTEND = "extend"
    CLASSIFY = "classify"
    ASSESS = "assess"
    RESOLVE = "resolve"
    CLOSE = "close"
    NOT_COMPLAINT = "not_complaint"
    REOPEN = "reopen"
    WITHDRAW = "withdraw"
    MERGE = "merge"
    SPLIT = "split"
    CORRECT = "correct"
    URGE = "urge"
    REVIEW = "review"
    RECEIPT = "receipt"
    EVIDENCE = "evidence"
    RECOUNT = "recount"
    RECUSE = "recuse"
    UNRECUSE = "unrecuse"


_T, _S = EventType, State

EVENT_LABELS: Mapping[EventType, str] = {
    _T.CREATE: "登记", _T.ACCEPT: "受理", _T.REJECT: "退回", _T.ASSIGN: "转派", _T.INVESTIGATE: "开始核查", _T.WAIT: "等待",
    _T.RESUME: "恢复办理", _T.COMMENT: "备注", _T.CONTACT: "联系客户", _T.EXTEND: "延期", _T.ASSESS: "认定", _T.RESOLVE: "答复",
    _T.CLOSE: "办结", _T.NOT_COMPLAINT: "不按投诉办理", _T.REOPEN: "重新打开", _T.WITHDRAW: "撤回", _T.MERGE: "合并", _T.SPLIT: "拆出",
    _T.CORRECT: "更正", _T.URGE: "催办", _T.REVIEW: "申请核查", _T.RECEIPT: "对方签收", _T.EVIDENCE: "补充材料",
    _T.CLASSIFY: "认定复杂程度", _T.RECOUNT: "重新计算时限", _T.RECUSE: "回避",
    _T.UNRECUSE: "解除回避",
}  # fmt: skip


class PromiseKind(StrEnum):
    """What was promised; first contact and decision are clocks of the ticket itself and make no row of their own."""

    CALLBACK = "callback"
    FIRST_CONTACT = "first_contact"
    DECISION = "decision"
    AUTHORIZATION_ORIGINAL = "authorization_original"
    EVIDENCE = "evidence"
    REVIEW = "review"
    EXTENSION_NOTICE = "extension_notice"


_ALWAYS = (_T.COMMENT,)
_RUNNING = (
    *_ALWAYS, _T.ASSIGN, _T.CONTACT, _T.EXTEND, _T.CLASSIFY, _T.ASSESS, _T.NOT_COMPLAINT, _T.WITHDRAW, _T.MERGE, _T.SPLIT,
    _T.CORRECT, _T.URGE, _T.RECUSE, _T.UNRECUSE,
)  # fmt: skip
_ENDED = (*_ALWAYS, _T.ASSESS, _T.REOPEN, _T.SPLIT)
# What a customer says or is told by the number of a merged ticket happens at the one that it went into, whose state decides.
PASSED_ON = (_T.COMMENT, _T.CONTACT, _T.URGE, _T.REVIEW, _T.WITHDRAW)

_ALLOWED: Mapping[State, tuple[EventType, ...]] = {
    _S.NEW: (_T.ACCEPT, _T.REJECT, *_RUNNING),
    _S.ACCEPTED: (_T.INVESTIGATE, _T.WAIT, _T.RESOLVE, _T.REJECT, *_RUNNING),
    _S.INVESTIGATING: (_T.WAIT, _T.RESOLVE, _T.REJECT, *_RUNNING),
    _S.WAITING_CUSTOMER: (_T.RESUME, _T.RESOLVE, *_RUNNING),
    _S.WAITING_THIRD_PARTY: (_T.RESUME, _T.RESOLVE, *_RUNNING),
    _S.PROPOSED: (_T.CLOSE, _T.CONTACT, _T.WITHDRAW, _T.CORRECT, _T.RECUSE, _T.UNRECUSE, _T.REVIEW, *_ENDED),
    _S.CLOSED_RESOLVED: (_T.REVIEW, *_ENDED),
    _S.CLOSED_EXPLAINED: (_T.REVIEW, *_ENDED),
    _S.WITHDRAWN: _ENDED,
    # Whoever does not agree that it is no complaint has it looked at again.
    _S.REJECTED_NOT_COMPLAINT: (_T.REVIEW, *_ENDED),
    _S.MERGED: PASSED_ON,
}

# Where these lead from wherever they are allowed; the others leave the state, or need a look at what they tell (`after`).
_LEADS_TO: Mapping[EventType, State] = {
    _T.ACCEPT: _S.ACCEPTED,
    _T.REJECT: _S.NEW,
    _T.INVESTIGATE: _S.INVESTIGATING,
    _T.RESUME: _S.INVESTIGATING,
    _T.RESOLVE: _S.PROPOSED,
    _T.NOT_COMPLAINT: _S.REJECTED_NOT_COMPLAINT,
    _T.WITHDRAW: _S.WITHDRAWN,
}
# The decision is owed again, by the unit that had accepted the ticket; where none had, one has to first (`handed_over`).
REVIVING = (_T.REOPEN, _T.REVIEW)
_WAITING_FOR: Mapping[str, State] = {"customer": _S.WAITING_CUSTOMER, "third_party": _S.WAITING_THIRD_PARTY}
# The bank only explained; it had nothing to put right.
EXPLAINED = ("解释", "无依据")

# What the customer's own side of the thread shows; beside these, what is awaited of the customer.
_FOR_CUSTOMERS = frozenset({_T.WITHDRAW, _T.RESOLVE, _T.CLOSE, _T.URGE, _T.REVIEW, _T.NOT_COMPLAINT})

_EVERYBODY = frozenset({Role.AGENT, Role.SUPERVISOR, Role.HANDLER, Role.ADMIN})
_BACK_OFFICE = frozenset({Role.SUPERVISOR, Role.HANDLER, Role.ADMIN})

# The bot adds what the customer says, urges, asks for review and withdraws on the customer's word; auditors only read.
_ROLES: Mapping[EventType, frozenset[Role]] = {
    _T.COMMENT: _EVERYBODY | {Role.INTERNAL},
    _T.CONTACT: _EVERYBODY,
    _T.CORRECT: _EVERYBODY | {Role.INTERNAL},
    _T.WITHDRAW: _EVERYBODY | {Role.INTERNAL},
    _T.URGE: _EVERYBODY | {Role.INTERNAL},
    _T.REVIEW: _EVERYBODY | {Role.INTERNAL},
    _T.REOPEN: _EVERYBODY,
    # Whoever hears that it is about a colleague says so at once.
    _T.RECUSE: _EVERYBODY,
    _T.UNRECUSE: frozenset({Role.SUPERVISOR, Role.ADMIN}),
    _T.MERGE: _BACK_OFFICE | {Role.INTERNAL},
    _T.CREATE: frozenset(),
    _T.RECEIPT: frozenset(),
    _T.EVIDENCE: frozenset(),
    _T.RECOUNT: frozenset(),
}


class Entry(Protocol):
    """An entry of a thread, as far as the state follows from it."""

    @property
    def type(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def seq(self) -> int | None: ...


_E = TypeVar("_E", bound=Entry)


class EventNotAllowedError(ApiError):
    """The ticket's state does not allow this; `details.allowed` lists what it does allow."""

    status, code = 409, "event_not_allowed"


def numbered(entries: Iterable[_E]) -> Iterator[tuple[int, _E]]:
    """Each entry with its number in the ticket: not its place, for a restore leaves a gap; entries of before had none."""
    for place, entry in enumerate(entries, start=1):
        yield entry.seq or place, entry


def allowed_events(state: State) -> list[EventType]:
    return list(_ALLOWED[state])


def may(role: Role, event: EventType) -> bool:
    return role in _ROLES.get(event, _BACK_OFFICE)


def check_allowed(state: State, event: EventType) -> None:
    """Raises EventNotAllowedError naming what is allowed instead."""
    allowed = allowed_events(state)
    if event not in allowed:
        instead = "、".join(EVENT_LABELS[one] for one in allowed)
        raise EventNotAllowedError(
            f"工单目前是“{LABELS[state]}”，不能{EVENT_LABELS[event]}；可以：{instead}。",
            details={"state": state, "allowed": allowed},
        )


def after(state: State, event: EventType, told: Mapping[str, Any], outcome: str | None = None) -> State:
    """The state after an event that was allowed.

    `told` is what the thread tells of it, `outcome` what the ticket was last answered with. `handed_over` in it says that
    a unit has to accept the ticket first; `into` that it ended in another one, `restored` that it left it again.
    """
    if state is _S.MERGED and event in PASSED_ON:
        return state
    if state is _S.PROPOSED and told.get("clock_restarted"):
        return _S.ACCEPTED  # new facts: the answer did not know them
    if event in _LEADS_TO:
        return _LEADS_TO[event]
    if event is _T.CLOSE:
        return _S.CLOSED_EXPLAINED if outcome in EXPLAINED else _S.CLOSED_RESOLVED
    if event in REVIVING:
        return _S.NEW if told.get("handed_over") else _S.ACCEPTED
    if event is _T.WAIT:
        return _WAITING_FOR[told["for"]]
    if event is _T.MERGE and told.get("into"):
        return _S.MERGED
    if event is _T.SPLIT and told.get("restored"):
        return _S(told["restored"])
    return _S.NEW if told.get("handed_over") and state in RUNNING_STATES else state


def audience_of(event: EventType, told: Mapping[str, Any]) -> Literal["staff", "customer"]:
    asked = event is _T.WAIT and told.get("for") == "customer"
    return "customer" if asked or event in _FOR_CUSTOMERS else "staff"


def moments(row: Any, state: State, now: datetime) -> dict[str, Any]:
    """What else a ticket's row (as it was) says in a state; the constraints of its table hold to the same."""
    return {
        "accepted_at": None
        if state is _S.NEW
        else (row.accepted_at or now)
        if state in HANDLED_STATES
        else row.accepted_at,
        "resolved_at": None
        if state in RUNNING_STATES
        else (row.resolved_at or now)
        if state is _S.PROPOSED
        else row.resolved_at,
        "closed_at": (row.closed_at or now) if state in CLOSED_STATES else None,
        "withdrawn_at": (row.withdrawn_at or now) if state is _S.WITHDRAWN else None,
        "awaited": row.awaited if state in WAITING_STATES else None,
    }


def course_of(entries: Iterable[Entry]) -> list[tuple[datetime, State]]:
    """Since when a ticket was in which state; entries in their order, each change once."""
    course: list[tuple[datetime, State]] = []
    state, outcome = _S.NEW, None
    for entry in entries:
        outcome = entry.data.get("outcome") or outcome
        state = after(state, EventType(entry.type), entry.data, outcome)
        if not course or course[-1][1] is not state:
            course.append((entry.created_at, state))
    return course


def state_of(entries: Iterable[Entry]) -> State:
    """The state that a thread leads to."""
    course = course_of(entries)
    return course[-1][1] if course else _S.NEW
