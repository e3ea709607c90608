"""When something is due: 日 and 工作日 are different units, and the day of receipt does not count (民法典第二百零一条)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from api.core.clock import BEIJING
from api.tickets.calendar import WorkCalendar
from api.tickets.timing import moment_after
from contract.sla import Kind, Matter, Sla

_UNITS = {
    "minute": "分钟",
    "hour": "小时",
    "working_hour": "个服务小时",
    "working_day": "个工作日",
    "natural_day": "日",
}


@dataclass(frozen=True, slots=True)
class Deadline:
    """`basis` says which rule the moment comes from."""

    at: datetime
    basis: str


def deadline(
    sla: Sla, calendar: WorkCalendar, kind: Kind, *, start: datetime, level: int, own: str | None = None
) -> Deadline:
    """By the numbers that are in force on the day of receipt; of several the one that ends first.

    `own` says why the law does not ask for it (it sets terms for complaints only): then the basis is our own promise.
    """
    day = start.astimezone(BEIJING).date()
    found = [
        (moment_after(term.unit, number.value, start, calendar), term, number)
        for term, number in sla.terms(kind, Matter(), level=level, day=day)
    ]
    if not found:
        raise LookupError(f"sla.yml 在 {start:%Y-%m-%d} 没有 {kind} 的时限")
    at, term, number = min(found, key=lambda one: one[0])
    source = number.source if own is None else f"本行约定（{own}）"
    return Deadline(at, f"{number.value}{_UNITS[term.unit]}：{source}"[:255])


def extended(at: datetime, days: int) -> datetime:
    return at + timedelta(days=days)
