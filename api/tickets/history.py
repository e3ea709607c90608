"""What a ticket's thread says about its clocks. Pure.

A run of a clock begins when the ticket is filed, and anew whenever its date is set anew: by new facts or a review (the count
starts again), an approved extension, another complexity, a ticket opened again, a merge or a split. Each run is
warned of once, and its number never comes again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from api.core.clock import rfc3339
from api.tickets.lifecycle import RUNNING_STATES, Entry, EventType, State, course_of, numbered
from contract.sla import Industry, Kind, Matter, Waiting

# Since when the ticket was in which state, in order.
Course = Sequence[tuple[datetime, State]]
# From one moment to another; None: it still lasts.
Spans = list[tuple[datetime, datetime | None]]

# Nobody is owed anything any more, and nobody was answered.
_VOID = (State.WITHDRAWN, State.MERGED, State.REJECTED_NOT_COMPLAINT)

# Of tickets that are older than policies with a number.
FIRST_POLICY = 1

BY_CONTACT: tuple[Kind, ...] = ("first_contact", "transfer_receipt")
_RESTART, _EXTEND, _CLASSIFY, _REOPEN, _MERGE = "restart", "extend", "classify", "reopen", "merge"
_RENEWED_BY: Mapping[Kind, tuple[str, ...]] = {
    "first_contact": (_REOPEN,),
    "decision": (_RESTART, _EXTEND, _CLASSIFY, _REOPEN),
    "service": (_RESTART, _CLASSIFY, _REOPEN),
    "transfer_receipt": (_REOPEN,),
    "transfer_reply": (_EXTEND, _REOPEN),
    "repair": (_REOPEN,),
}


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry of the thread that is about to be stored."""

    type: str
    data: Mapping[str, Any]
    created_at: datetime
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    """All that clocks depend on. `level` and `policy` count where an older thread does not say."""

    created_at: datetime
    level: int
    policy: int
    nature: str
    matter: Matter
    entries: Sequence[Entry]
    course: Course


def history_of(ticket: Mapping[str, Any], entries: Sequence[Entry], industry: Industry) -> History:
    """Of a ticket's row (or what is about to be one) and its thread."""
    causes = tuple(code for code in (ticket["cause_l1"], ticket["cause_l2"]) if code)
    return History(
        created_at=ticket["created_at"],
        level=ticket["level_peak"],
        policy=ticket["policy_version"] or FIRST_POLICY,
        nature=ticket["nature"],
        matter=Matter(industry=industry, source=ticket["source"], causes=causes),
        entries=entries,
        course=_from_receipt(ticket["created_at"], course_of(entries)),
    )


def _from_receipt(received: datetime, course: list[tuple[datetime, State]]) -> Course:
    """What was taken out of another ticket had been received before its own thread began."""
    if course and received < course[0][0]:
        return [(received, course[0][1]), *course[1:]]
    return course


@dataclass(frozen=True, slots=True)
class Run:
    """`start`: from when it counts. `since`: when this run's date was set; what lies before belongs to an earlier run.

    `earlier`, `levels`: how an older ticket that was merged into this one had stood, when its dates hold.
    """

    kind: Kind
    number: int
    start: datetime
    since: datetime
    policy: int
    extended_days: int = 0
    complexity: str = "simple"
    review: bool = False
    earlier: tuple[tuple[datetime, State], ...] = ()
    levels: tuple[tuple[datetime, int], ...] = ()

    @property
    def term_kind(self) -> Kind:
        return "review" if self.review and self.kind == "decision" else self.kind


def run_of(kind: Kind, history: History) -> Run:
    """The run that a clock is in."""
    first = run = Run(kind, 1, history.created_at, history.created_at, _policy(history.entries[:1], history))
    for place, entry in enumerate(history.entries):
        if entry.type == EventType.SPLIT and "ticket_no" in entry.data:
            left = first
            for standing in _standing(history.entries[: place + 1]):
                left = _next(left, standing, history)
            # A run of its own, if it changed anything: numbers do not come again, or its stages would count as told.
            if replace(left, number=run.number, since=run.since) != run:
                run = replace(left, number=run.number + 1, since=entry.created_at)
        else:
            run = _next(run, entry, history)
    return run


def _next(run: Run, entry: Entry, history: History) -> Run:
    """After one more entry."""
    cause = _cause(entry)
    if cause == _MERGE:
        return _with_merged(run, entry)
    if cause == _CLASSIFY:
        run = replace(run, complexity=entry.data["complexity"])
    if cause not in _RENEWED_BY[run.kind]:
        return run
    run = replace(run, number=run.number + 1, since=entry.created_at)
    if cause == _EXTEND:
        run = replace(run, extended_days=run.extended_days + entry.data["days"])
    if cause == _RESTART:
        policy, review = _policy([entry], history), entry.type == EventType.REVIEW
        run = replace(run, start=entry.created_at, extended_days=0, policy=policy, review=review)
    return run


def told_of(history: History) -> dict[str, Any]:
    """What the thread of the ticket that it goes into has to know of it."""
    levels = [[rfc3339(at), level] for at, level in _levels(history.entries)]
    return {"states": [[rfc3339(at), state] for at, state in history.course], "levels": levels}


def _standing(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Without what was split off again: the other matter's dates and facts count there and not here."""
    gone: set[int] = set()
    places = {number: place for place, (number, _) in enumerate(numbered(entries))}
    for place, entry in enumerate(entries):
        if entry.type != EventType.SPLIT or "ticket_no" not in entry.data:
            continue
        number, seq = entry.data["ticket_no"], entry.data.get("entry")
        merged = [at for at in range(place) if entries[at].data.get("from") == number and at not in gone]
        gone.update([places[seq]] if seq else merged[-1:])
        if merged:
            facts = range(merged[-1], place)
            gone.update(at for at in facts if _is_told_by(number, entries[at]))
    return (entry for place, entry in enumerate(entries) if place not in gone)


def _is_told_by(number: str, entry: Entry) -> bool:
    """What the customer of a merged ticket told; a review is of this ticket's own answer."""
    return entry.type == EventType.COMMENT and entry.data.get("passed_from") == number


def _with_merged(run: Run, entry: Entry) -> Run:
    """The earliest date of both tickets holds; where the customer of the other one was called in time, nothing is left of it."""
    told = entry.data
    start, extended = datetime.fromisoformat(told["received"]), told.get("extended_days", 0)
    if run.kind in BY_CONTACT:
        called, due = told.get("first_contact_at"), told.get("first_contact_due_at")
        if called and due and datetime.fromisoformat(called) <= datetime.fromisoformat(due):
            return run
        start = datetime.fromisoformat(told.get("created") or told["received"])
    if start + timedelta(days=extended) >= run.start + timedelta(days=run.extended_days):
        return run
    earlier = told.get("earlier") or {"states": [], "levels": []}
    return replace(
        run,
        number=run.number + 1,
        since=entry.created_at,
        start=start,
        extended_days=extended,
        earlier=tuple((datetime.fromisoformat(at), State(state)) for at, state in earlier["states"]),
        levels=tuple((datetime.fromisoformat(at), level) for at, level in earlier["levels"]),
    )


def levels(history: History, run: Run) -> list[tuple[datetime, int]]:
    """The peak level at the run's start, and every rise after it; what came before any was told began with the first."""
    told = sorted([*run.levels, *_levels(history.entries)], key=lambda one: one[0])
    first = told[0][1] if told else history.level
    found = [(run.start, max((level for at, level in told if at <= run.start), default=first))]
    for at, level in told:
        if at > run.start and level > found[-1][1]:
            found.append((at, level))
    return found


def _levels(entries: Iterable[Entry]) -> list[tuple[datetime, int]]:
    return [(entry.created_at, entry.data["level"]) for entry in entries if "level" in entry.data]


def course_in(run: Run, history: History) -> Course:
    """Until there was this ticket, the course of the one whose dates hold."""
    begins = history.course[0][0] if history.course else run.start
    return [*(step for step in run.earlier if step[0] < begins), *history.course]


def decided(course: Course) -> tuple[datetime, State] | None:
    """When the decision stopped being owed, and by which state; None while it is owed."""
    left: tuple[datetime, State] | None = None
    for at, state in course:
        left = None if state in RUNNING_STATES else left or (at, state)
    return left


def is_void(state: State) -> bool:
    return state in _VOID


def contacted_at(history: History) -> datetime | None:
    """When somebody first spoke to the customer; whoever asks for a review, or tells more then, had been given an answer."""
    for entry in history.entries:
        if entry.type == EventType.CONTACT:
            return entry.created_at
        if entry.type == EventType.REVIEW or entry.data.get("clock_restarted"):
            before = decided([step for step in history.course if step[0] < entry.created_at])
            if before is not None and not is_void(before[1]):
                return before[0]
    return None


def active(course: Course, waiting: Sequence[Waiting]) -> Spans:
    """When somebody worked, or should have."""
    return _merged(_spans(course, lambda state: state in RUNNING_STATES and state not in waiting))


def pauses(course: Course, waiting: Sequence[Waiting], start: datetime) -> Spans:
    found = _merged(_spans(course, lambda state: state in waiting))
    return [(max(begins, start), ends) for begins, ends in found if ends is None or ends > start]


def _cause(entry: Entry) -> str | None:
    """Why an entry sets a date anew, if it does."""
    if entry.data.get("clock_restarted"):
        return _RESTART
    if entry.type == EventType.MERGE and "received" in entry.data:
        return _MERGE
    return {EventType.EXTEND: _EXTEND, EventType.CLASSIFY: _CLASSIFY, EventType.REOPEN: _REOPEN}.get(
        EventType(entry.type)
    )


def _policy(entries: Sequence[Entry], history: History) -> int:
    return next((entry.data["policy"] for entry in entries if "policy" in entry.data), history.policy)


def _spans(course: Course, holds: Callable[[State], bool]) -> Iterator[tuple[datetime, datetime | None]]:
    ends: list[datetime | None] = [at for at, _ in course[1:]]
    for (begins, state), ends_at in zip(course, [*ends, None], strict=True):
        if holds(state):
            yield begins, ends_at


def _merged(spans: Iterable[tuple[datetime, datetime | None]]) -> Spans:
    """Neighbours as one; nothing that ends before it begins, as after a clock that was set back."""
    found: Spans = []
    for begins, ends in spans:
        if ends is not None and ends <= begins:
            continue
        if found and found[-1][1] is not None and begins <= found[-1][1]:
            found[-1] = (found[-1][0], ends if ends is None else max(ends, found[-1][1]))
        elif not found or found[-1][1] is not None:
            found.append((begins, ends))
    return found
