"""When something is due: 日 and 工作日 are different units, and the day of receipt does not count (民法典第二百零一条)."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import chinese_calendar

from api.core.clock import BEIJING
from contract.playbook import Clock, DatedNumber, Sla

_END_OF_DAY = time(23, 59, 59)
_UNITS = {"minute": "分钟", "hour": "小时", "working_day": "个工作日", "natural_day": "日"}


@dataclass(frozen=True, slots=True)
class Deadline:
    """`basis` says which rule the moment comes from."""

    at: datetime
    basis: str


def deadline(sla: Sla, kind: str, *, start: datetime, level: int, own: str | None = None) -> Deadline:
    """By the numbers that are in force on the day of receipt.

    `own` says why the law does not ask for it (it sets terms for complaints only): then the basis is our own promise.
    """
    found = sla.clock(kind, level=level, day=start.astimezone(BEIJING).date())
    if found is None:
        raise LookupError(f"sla.yml 在 {start:%Y-%m-%d} 没有 {kind} 的时限")
    clock, number = found
    source = number.source if own is None else f"本行约定（{own}）"
    return Deadline(due(clock, number, start), f"{number.value}{_UNITS[clock.unit]}：{source}"[:255])


def due(clock: Clock, number: DatedNumber, start: datetime) -> datetime:
    local = start.astimezone(BEIJING)
    match clock.unit:
        case "minute":
            return local + timedelta(minutes=number.value)
        case "hour":
            return local + timedelta(hours=number.value)
        case "natural_day":
            return _end_of(local.date() + timedelta(days=number.value))
        case "working_day":
            return _end_of(add_working_days(local.date(), number.value))


def extended(at: datetime, days: int) -> datetime:
    return at + timedelta(days=days)


def add_working_days(day: date, count: int) -> date:
    while count > 0:
        day += timedelta(days=1)
        count -= is_working_day(day)
    return day


def is_working_day(day: date) -> bool:
    """By the State Council's calendar; for a year not yet published, Monday to Friday."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() < 5


def _end_of(day: date) -> datetime:
    return datetime.combine(day, _END_OF_DAY, BEIJING)
