"""The life of a ticket as pure rules: one table of what leads where, and a machine that walks it in any order."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from api.core.clock import BEIJING
from api.core.security import Role
from api.tickets.lifecycle import (
    CLOSED_STATES,
    EVENT_LABELS,
    LABELS,
    OPEN_STATES,
    REVIVING,
    EventNotAllowedError,
    EventType,
    State,
    after,
    allowed_events,
    audience_of,
    check_allowed,
    course_of,
    may,
    moments,
    state_of,
)

_CODES = {
    "N": State.NEW, "A": State.ACCEPTED, "I": State.INVESTIGATING, "Wc": State.WAITING_CUSTOMER,
    "Wt": State.WAITING_THIRD_PARTY, "P": State.PROPOSED, "Cr": State.CLOSED_RESOLVED, "Ce": State.CLOSED_EXPLAINED,
    "X": State.WITHDRAWN, "R": State.REJECTED_NOT_COMPLAINT, "M": State.MERGED,
}  # fmt: skip

# Each line one event (with what it tells); each column a state, in the order of the first line; `.` is refused.
_TABLE = """
                         N    A    I    Wc   Wt   P    Cr   Ce   X    R    M
accept                   A    .    .    .    .    .    .    .    .    .    .
reject                   N    N    N    .    .    .    .    .    .    .    .
assign owner             N    A    I    Wc   Wt   .    .    .    .    .    .
assign unit              N    N    N    N    N    .    .    .    .    .    .
investigate              .    I    .    .    .    .    .    .    .    .    .
wait customer            .    Wc   Wc   .    .    .    .    .    .    .    .
wait third_party         .    Wt   Wt   .    .    .    .    .    .    .    .
resume                   .    .    .    I    I    .    .    .    .    .    .
comment                  N    A    I    Wc   Wt   P    Cr   Ce   X    R    M
comment facts            N    A    I    Wc   Wt   A    Cr   Ce   X    R    M
contact                  N    A    I    Wc   Wt   P    .    .    .    .    M
extend                   N    A    I    Wc   Wt   .    .    .    .    .    .
classify                 N    A    I    Wc   Wt   .    .    .    .    .    .
assess                   N    A    I    Wc   Wt   P    Cr   Ce   X    R    .
resolve                  .    P    P    P    P    .    .    .    .    .    .
close 退费               .    .    .    .    .    Cr   .    .    .    .    .
close 解释               .    .    .    .    .    Ce   .    .    .    .    .
close 无依据             .    .    .    .    .    Ce   .    .    .    .    .
not_complaint            R    R    R    R    R    .    .    .    .    .    .
reopen                   .    .    .    .    .    A    A    A    A    A    .
reopen unit              .    .    .    .    .    N    N    N    N    N    .
withdraw                 X    X    X    X    X    X    .    .    .    .    M
merge into               M    M    M    M    M    .    .    .    .    .    .
merge from               N    A    I    Wc   Wt   .    .    .    .    .    .
split                    N    A    I    Wc   Wt   P    Cr   Ce   X    R    .
correct                  N    A    I    Wc   Wt   P    .    .    .    .    .
correct unit             N    N    N    N    N    P    .    .    .    .    .
urge                     N    A    I    Wc   Wt   .    .    .    .    .    M
review                   .    .    .    .    .    A    A    A    .    A    M
review unit              .    .    .    .    .    N    N    N    .    N    M
recuse                   N    A    I    Wc   Wt   P    .    .    .    .    .
recuse unit              N    N    N    N    N    P    .    .    .    .    .
unrecuse                 N    A    I    Wc   Wt   P    .    .    .    .    .
"""


# Nobody posts these.
BY_SYSTEM = {EventType.CREATE, EventType.RECEIPT, EventType.EVIDENCE, EventType.RECOUNT}


def _rows() -> list[tuple[State, EventType, str, State | None]]:
    head, *lines = _TABLE.strip("\n").splitlines()
    states, found = [_CODES[code] for code in head.split()], []
    for line in lines:
        words = line.split()
        name, cells = words[: -len(states)], words[-len(states) :]
        how = name[1] if len(name) == 2 else ""
        found += [(state, EventType(name[0]), how, _CODES.get(cell)) for state, cell in zip(states, cells, strict=True)]
    return found


def _told(event: EventType, how: str) -> dict[str, Any]:
    match event, how:
        case EventType.WAIT, _:
            return {"for": how or "customer"}
        case _, "facts":
            return {"clock_restarted": True}
        case _, "unit":
            return {"route": {"from": "甲", "to": "乙"}, "handed_over": True}
        case _, "into" | "from":
            return {how: "TS1"}
        case EventType.RESOLVE, _:
            return {"outcome": how or "道歉"}
    return {}


@pytest.mark.parametrize(("state", "event", "how", "leads_to"), _rows())
def test_the_table(state: State, event: EventType, how: str, leads_to: State | None) -> None:
    if leads_to is None:
        with pytest.raises(EventNotAllowedError) as refused:
            check_allowed(state, event)
        assert refused.value.details == {"state": state, "allowed": allowed_events(state)}
    else:
        check_allowed(state, event)
        assert after(state, event, _told(event, how), how) is leads_to


def test_the_table_is_whole() -> None:
    named = {(state, event) for state, event, _, _ in _rows()}
    assert named == {(state, event) for state in State for event in EventType if event not in BY_SYSTEM}
    assert {event for state in State for event in allowed_events(state)} == set(EventType) - BY_SYSTEM
    assert set(LABELS) == set(State)
    assert set(EVENT_LABELS) == set(EventType)
    assert {*OPEN_STATES, *CLOSED_STATES} == set(State)


_WHO = """
                 agent supervisor handler auditor admin internal
comment          x     x          x       .       x     x
contact          x     x          x       .       x     .
correct          x     x          x       .       x     x
withdraw         x     x          x       .       x     x
urge             x     x          x       .       x     x
review           x     x          x       .       x     x
reopen           x     x          x       .       x     .
recuse           x     x          x       .       x     .
unrecuse         .     x          .       .       x     .
merge            .     x          x       .       x     x
split            .     x          x       .       x     .
assign           .     x          x       .       x     .
accept           .     x          x       .       x     .
reject           .     x          x       .       x     .
investigate      .     x          x       .       x     .
wait             .     x          x       .       x     .
resume           .     x          x       .       x     .
extend           .     x          x       .       x     .
classify         .     x          x       .       x     .
assess           .     x          x       .       x     .
resolve          .     x          x       .       x     .
close            .     x          x       .       x     .
not_complaint    .     x          x       .       x     .
create           .     .          .       .       .     .
receipt          .     .          .       .       .     .
evidence         .     .          .       .       .     .
recount          .     .          .       .       .     .
"""


def test_who_may_do_what() -> None:
    head, *lines = _WHO.strip("\n").splitlines()
    roles, named = [Role(name) for name in head.split()], set()
    for line in lines:
        name, *cells = line.split()
        named.add(EventType(name))
        assert [may(role, EventType(name)) for role in roles] == [cell == "x" for cell in cells], name
    assert (named, set(roles)) == (set(EventType), set(Role))


def test_what_the_customer_reads() -> None:
    shown = {event for event in EventType if audience_of(event, {}) == "customer"}
    assert {event.value for event in shown} == {"withdraw", "resolve", "close", "urge", "review", "not_complaint"}
    assert audience_of(EventType.WAIT, {"for": "customer"}) == "customer"
    assert audience_of(EventType.WAIT, {"for": "third_party"}) == "staff"


@dataclass(frozen=True)
class Told:
    """An entry of a thread, as the repository gives it."""

    type: str
    data: dict[str, Any]
    created_at: datetime


def test_a_thread_written_before_states_were_told_apart() -> None:
    """`close` said no outcome, and a refusal named the units in another way."""
    day = datetime(2026, 11, 25, tzinfo=BEIJING)
    thread = [
        Told("create", {"route": "运营部"}, day),
        Told("accept", {"owner": "a"}, day),
        Told("reject", {"reason": "x", "from": "运营部", "to": "消保部"}, day),
        Told("accept", {"owner": "b"}, day),
        Told("assign", {"route": {"from": "消保部", "to": "运营部"}}, day),
        Told("resolve", {"outcome": "无依据"}, day),
        Told("close", {"text": ""}, day + timedelta(days=1)),
    ]
    assert state_of(thread[:5]) is State.ACCEPTED
    assert course_of(thread)[-2:] == [(day, State.PROPOSED), (day + timedelta(days=1), State.CLOSED_EXPLAINED)]


_MOVING = (EventType.ASSIGN, EventType.CORRECT, EventType.RECUSE)
_OUTCOMES = ("解释", "更正", "退费", "补偿", "道歉", "无依据")


@dataclass
class _Row:
    """The columns that `moments` speaks of."""

    accepted_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    withdrawn_at: datetime | None = None
    awaited: str | None = None
    outcome: str | None = None
    state: State = State.NEW
    thread: list[Told] = field(default_factory=list)


class Walk(RuleBasedStateMachine):
    """Any event at any time: what is refused changes nothing, and thread, state and row never part."""

    def __init__(self) -> None:
        super().__init__()
        self.row, self.now = _Row(), datetime(2026, 11, 25, 10, tzinfo=BEIJING)

    @rule(
        event=st.sampled_from([event for event in EventType if event not in BY_SYSTEM]),
        waits_for=st.sampled_from(["customer", "third_party"]),
        outcome=st.sampled_from(_OUTCOMES),
        moved=st.booleans(),
        into=st.booleans(),
        new=st.booleans(),
    )
    def happens(self, event: EventType, waits_for: str, outcome: str, *, moved: bool, into: bool, new: bool) -> None:
        row = self.row
        self.now += timedelta(hours=1)
        if event not in allowed_events(row.state):
            with pytest.raises(EventNotAllowedError):
                check_allowed(row.state, event)
            return
        told: dict[str, Any] = {"handed_over": moved or None} if event in _MOVING else {}
        if event in REVIVING:
            told = {"handed_over": True} if row.accepted_at is None else {}
        if event is EventType.WAIT:
            told, row.awaited = {"for": waits_for}, "存单照片"
        if event is EventType.RESOLVE:
            told, row.outcome = {"outcome": outcome}, outcome
        if event is EventType.COMMENT and row.state in OPEN_STATES:
            told = {"clock_restarted": new or None}
        if event is EventType.SPLIT:
            told = {"ticket_no": "TS1"}
        if event is EventType.MERGE:
            told = {"into" if into else "from": "TS1"}
        row.state = after(row.state, event, told, row.outcome)
        for name, value in moments(row, row.state, self.now).items():
            setattr(row, name, value)
        row.thread.append(Told(event, told, self.now))

    @invariant()
    def the_state_follows_from_the_thread(self) -> None:
        assert state_of(self.row.thread) is self.row.state

    @invariant()
    def the_row_says_what_its_table_takes(self) -> None:
        row, state = self.row, self.row.state
        assert (state in CLOSED_STATES) == (row.closed_at is not None)
        assert (state is State.WITHDRAWN) == (row.withdrawn_at is not None)
        assert (state.value.startswith("waiting_")) == (row.awaited is not None)
        assert not (state is State.NEW and row.accepted_at)
        if state in (State.PROPOSED, State.CLOSED_RESOLVED, State.CLOSED_EXPLAINED):
            assert row.resolved_at
            assert row.outcome
        elif state in OPEN_STATES:
            assert row.resolved_at is None
        if state in OPEN_STATES and state is not State.NEW:
            assert row.accepted_at


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


def test_moments_keep_what_has_already_been_told() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=BEIJING), datetime(2026, 2, 1, tzinfo=BEIJING)
    row = SimpleNamespace(accepted_at=early, resolved_at=early, closed_at=None, withdrawn_at=None, awaited=None)
    found = moments(row, State.CLOSED_RESOLVED, late)
    assert (found["accepted_at"], found["resolved_at"], found["closed_at"]) == (early, early, late)
