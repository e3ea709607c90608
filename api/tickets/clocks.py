"""When something is due, and what comes before and after: a pure function of policies, calendar and history.

The law counts natural days and never pauses; the service clock counts hours of service and stands still while the customer
is asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from api.core.clock import BEIJING
from api.tickets.calendar import WorkCalendar
from api.tickets.history import (
    BY_CONTACT,
    History,
    Run,
    Spans,
    active,
    contacted_at,
    course_in,
    decided,
    is_void,
    levels,
    pauses,
    run_of,
)
from api.tickets.timing import Timer, moment_after
from contract.sla import DatedNumber, Kind, Sla, Stage, Term
from contract.ticket import Nature

_UNITS = {
    "minute": "分钟",
    "hour": "小时",
    "working_hour": "个服务小时",
    "working_day": "个工作日",
    "natural_day": "日",
}
# In the order in which staff see them; a kind that no term of the policy fits has no clock.
_KINDS: tuple[Kind, ...] = ("first_contact", "decision", "service", "transfer_receipt", "transfer_reply", "repair")
_NEEDED: tuple[Kind, ...] = ("first_contact", "decision")
_EXTENDED: tuple[Kind, ...] = ("decision", "transfer_reply")
_WARNINGS: tuple[tuple[Stage, str, int], ...] = (
    ("warn50", "warn_percent_first", 50),
    ("warn80", "warn_percent_second", 80),
)
_LEVELS: tuple[Stage, ...] = ("level2", "level3")
_LONGEST_BASIS = 255

# What has been told of a ticket's clocks: clock, stage, run.
Told = frozenset[tuple[str, str, int]]


class ClockState(StrEnum):
    """`missed` from the moment it ran out, also when the thing was done at last; `void`: nobody is owed it any more."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    MISSED = "missed"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Clock:
    """One clock of a ticket.

    `due_at` None: it stands still, so that nobody can say. `stages`: what is told of this run, in order; none once it is
    met. `provisional`: counted over a year whose working days are not published.
    """

    kind: Kind
    run: int
    started_at: datetime
    due_at: datetime | None
    basis: str
    state: ClockState
    met_at: datetime | None
    provisional: bool
    warn_at: tuple[datetime | None, ...]
    stages: tuple[tuple[Stage, datetime], ...]
    pauses: Spans
    extended_days: int = 0

    def is_overdue(self, now: datetime) -> bool:
        return self.due_at is not None and (self.met_at or now) > self.due_at


def clocks_of(policies: Mapping[int, Sla], calendar: WorkCalendar, history: History, now: datetime) -> list[Clock]:
    """All clocks of a ticket. Raises LookupError when its policy has no number for what everybody is owed."""
    found = []
    for kind in _KINDS:
        run = run_of(kind, history)
        chosen = _strictest(policies[run.policy], calendar, history, run)
        if chosen is not None:
            found.append(_clock(policies[run.policy], history, run, chosen, now))
        elif kind in _NEEDED:
            raise LookupError(f"sla.yml（第 {run.policy} 版）在 {run.start:%Y-%m-%d} 没有 {kind} 的时限")
    return found


def next_check(clocks: Sequence[Clock], told: Told) -> datetime | None:
    """When the first stage comes that nobody has been told of; None: nothing will come by itself."""
    return min((at for clock in clocks for _, at in untold(clock, told)), default=None)


def untold(clock: Clock, told: Told) -> Iterator[tuple[Stage, datetime]]:
    for stage, at in clock.stages:
        if (clock.kind, stage, clock.run) not in told:
            yield stage, at


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The term that counts, and how its time passes."""

    timer: Timer
    term: Term
    number: DatedNumber


def _strictest(sla: Sla, calendar: WorkCalendar, history: History, run: Run) -> _Chosen | None:
    """Of all that applies, what ends first; a level that rises later counts from then."""
    running = active(course_in(run, history), sla.service_pauses)
    extended = run.extended_days if run.kind in _EXTENDED else 0
    found = []
    for at, level in levels(history, run):
        day = at.astimezone(BEIJING).date()
        # A decision is never extended beyond its longest (terms.py); an authority's end does not move with its own.
        longest = sla.limit(run.kind, "max", history.matter, day) if run.kind == "transfer_reply" else None
        for term, number in sla.terms(run.term_kind, history.matter, level=level, day=day, complexity=run.complexity):
            timer = Timer(term.unit, number.value, at, calendar, running, extended, longest)
            found.append(_Chosen(timer, term, number))
    return min(found, key=lambda one: one.timer.order, default=None)


def _clock(sla: Sla, history: History, run: Run, chosen: _Chosen, now: datetime) -> Clock:
    timer, unit = chosen.timer, chosen.term.unit
    due_at, day = timer.due, run.start.astimezone(BEIJING).date()
    stood = pauses(course_in(run, history), sla.service_pauses, timer.start) if unit == "working_hour" else []
    state, met_at = _state(run.kind, history, due_at, stood, now)
    warnings = [(stage, timer.at(sla.threshold(name, day) or usual)) for stage, name, usual in _WARNINGS]
    counts_days = unit in ("working_day", "working_hour")
    return Clock(
        kind=run.kind,
        run=run.number,
        started_at=timer.start,
        due_at=due_at,
        basis=_basis(history, run, chosen),
        state=state,
        met_at=met_at,
        provisional=counts_days and not timer.calendar.is_sure(timer.start.date(), (due_at or now).date()),
        warn_at=tuple(at for _, at in warnings),
        stages=() if met_at else tuple(_stages(sla, history, run, timer, warnings)),
        pauses=stood,
        extended_days=run.extended_days,
    )


def _state(
    kind: Kind, history: History, due_at: datetime | None, stood: Spans, now: datetime
) -> tuple[ClockState, datetime | None]:
    """The end of the case ends every clock; withdrawn or merged, nobody is owed anything."""
    ended = decided(history.course)
    met_at = contacted_at(history) if kind in BY_CONTACT else None
    if met_at is None and ended is not None:
        met_at = ended[0]
        if is_void(ended[1]):
            return ClockState.VOID, met_at
    if due_at is not None and (met_at or now) > due_at:
        return ClockState.MISSED, met_at
    if met_at is not None:
        return ClockState.MET, met_at
    return (ClockState.PAUSED if stood and stood[-1][1] is None else ClockState.RUNNING), None


def _stages(
    sla: Sla, history: History, run: Run, timer: Timer, warnings: Sequence[tuple[Stage, datetime | None]]
) -> Iterator[tuple[Stage, datetime]]:
    """What lies before the run's date was set belongs to an earlier run; what was overdue then still is."""
    yield from ((stage, at) for stage, at in warnings if at is not None and at >= run.since)
    due_at = timer.due
    if due_at is None:
        return
    over = max(due_at, run.since)
    yield "overdue", over
    level = levels(history, run)[-1][1]
    for stage in _LEVELS:
        found = sla.escalation(run.term_kind, stage, level=level, day=run.start.astimezone(BEIJING).date())
        if found is not None:
            yield stage, moment_after(found[0].unit, found[1].value, over, timer.calendar)


def _basis(history: History, run: Run, chosen: _Chosen) -> str:
    """The rule behind the date; 3号令 sets terms for complaints, what else people tell us is answered by our own promise."""
    source = chosen.number.source
    if run.term_kind in _NEEDED and history.nature != Nature.COMPLAINT:
        source = f"本行约定（{history.nature}不适用投诉处理时限）"
    extended = f"，经批准延期 {run.extended_days} 日" if run.kind in _EXTENDED and run.extended_days else ""
    doubted = "" if chosen.number.is_sure else f"（{chosen.number.reliability} 级来源，未核实）"
    return f"{chosen.number.value}{_UNITS[chosen.term.unit]}：{source}{extended}{doubted}"[:_LONGEST_BASIS]
