"""What may happen to a ticket: pure rules, no SQL, no clock.

A ticket waits for the unit it was routed to (new), is worked on (accepted), answered (resolved), and ends (closed,
withdrawn, or merged into another). Until the target unit accepts, the intake side stays responsible (首问负责).
"""

from collections.abc import Mapping
from enum import StrEnum

from api.core.errors import ApiError
from api.core.security import Role


class State(StrEnum):
    """Where a ticket stands."""

    NEW = "new"
    ACCEPTED = "accepted"
    RESOLVED = "resolved"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    MERGED = "merged"


OPEN_STATES = (State.NEW, State.ACCEPTED, State.RESOLVED)
# The decision is still owed; an answered ticket no longer runs late.
RUNNING_STATES = (State.NEW, State.ACCEPTED)

LABELS: Mapping[State, str] = {
    State.NEW: "已登记，等待受理",
    State.ACCEPTED: "处理中",
    State.RESOLVED: "已答复",
    State.CLOSED: "已办结",
    State.WITHDRAWN: "已撤回",
    State.MERGED: "已合并办理",
}


class EventType(StrEnum):
    """Everything the thread of a ticket can hold; `create` is written by the system only."""

    CREATE = "create"
    ACCEPT = "accept"
    REJECT = "reject"
    ASSIGN = "assign"
    COMMENT = "comment"
    CONTACT = "contact"
    EXTEND = "extend"
    RESOLVE = "resolve"
    CLOSE = "close"
    REOPEN = "reopen"
    WITHDRAW = "withdraw"
    MERGE = "merge"
    CORRECT = "correct"
    URGE = "urge"
    REVIEW = "review"


class PromiseKind(StrEnum):
    """What was promised; first contact and decision are clocks of the ticket itself and make no row of their own."""

    CALLBACK = "callback"
    FIRST_CONTACT = "first_contact"
    DECISION = "decision"
    AUTHORIZATION_ORIGINAL = "authorization_original"
    EVIDENCE = "evidence"
    REVIEW = "review"


_T, _S = EventType, State

# State after each event; an event that stands at no state there is not allowed there.
_NEXT: Mapping[State, Mapping[EventType, State]] = {
    _S.NEW: {
        _T.ACCEPT: _S.ACCEPTED, _T.REJECT: _S.NEW, _T.ASSIGN: _S.NEW, _T.COMMENT: _S.NEW, _T.CONTACT: _S.NEW,
        _T.EXTEND: _S.NEW, _T.WITHDRAW: _S.WITHDRAWN, _T.MERGE: _S.MERGED, _T.CORRECT: _S.NEW,
        _T.URGE: _S.NEW,
    },
    _S.ACCEPTED: {
        _T.REJECT: _S.NEW, _T.ASSIGN: _S.ACCEPTED, _T.COMMENT: _S.ACCEPTED, _T.CONTACT: _S.ACCEPTED,
        _T.EXTEND: _S.ACCEPTED, _T.RESOLVE: _S.RESOLVED, _T.WITHDRAW: _S.WITHDRAWN, _T.MERGE: _S.MERGED,
        _T.CORRECT: _S.ACCEPTED, _T.URGE: _S.ACCEPTED,
    },
    _S.RESOLVED: {
        _T.COMMENT: _S.RESOLVED, _T.CONTACT: _S.RESOLVED, _T.CLOSE: _S.CLOSED, _T.REOPEN: _S.ACCEPTED,
        _T.WITHDRAW: _S.WITHDRAWN, _T.CORRECT: _S.RESOLVED, _T.REVIEW: _S.ACCEPTED,
    },
    _S.CLOSED: {_T.COMMENT: _S.CLOSED, _T.REOPEN: _S.ACCEPTED, _T.REVIEW: _S.ACCEPTED},
    _S.WITHDRAWN: {_T.COMMENT: _S.WITHDRAWN, _T.REOPEN: _S.ACCEPTED},
    _S.MERGED: {_T.COMMENT: _S.MERGED},
}  # fmt: skip

# What the customer's own side of the thread shows.
FOR_CUSTOMERS = frozenset({_T.WITHDRAW, _T.RESOLVE, _T.CLOSE, _T.URGE, _T.REVIEW})

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
    _T.MERGE: frozenset({Role.SUPERVISOR, Role.HANDLER, Role.ADMIN, Role.INTERNAL}),
    _T.ASSIGN: _BACK_OFFICE,
    _T.ACCEPT: _BACK_OFFICE,
    _T.REJECT: _BACK_OFFICE,
    _T.EXTEND: _BACK_OFFICE,
    _T.RESOLVE: _BACK_OFFICE,
    _T.CLOSE: _BACK_OFFICE,
    _T.CREATE: frozenset(),
}


class EventNotAllowedError(ApiError):
    """The ticket's state does not allow this; `details.allowed` lists what it does allow."""

    status, code = 409, "event_not_allowed"


def allowed_events(state: State) -> list[EventType]:
    return list(_NEXT[state])


def may(role: Role, event: EventType) -> bool:
    return role in _ROLES[event]


def next_state(state: State, event: EventType) -> State:
    """Raises EventNotAllowedError naming what is allowed instead."""
    after = _NEXT[state].get(event)
    if after is None:
        allowed = allowed_events(state)
        raise EventNotAllowedError(
            f"工单目前是“{LABELS[state]}”，不能执行 {event}；可以执行：{'、'.join(allowed)}。",
            details={"state": state, "allowed": allowed},
        )
    return after
