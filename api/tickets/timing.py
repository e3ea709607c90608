"""How a term's time passes: by the clock on the wall, over days, or over hours of service in which somebody works. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from api.core.clock import BEIJING
from api.tickets.calendar import WorkCalendar, end_of
from contract.sla import Unit

_FAR = datetime(9000, 1, 1, tzinfo=BEIJING)


@dataclass(frozen=True)
class Timer:
    """One term from its start on: the moment at which a share of it is used up."""

    unit: Unit
    value: int
    start: datetime
    calendar: WorkCalendar
    running: Sequence[tuple[datetime, datetime | None]]
    extended_days: int = 0
    longest: int | None = None

    def at(self, percent: int) -> datetime | None:
        """None: it stands still before that. Warnings of working days come in hours of service."""
        if percent >= 100:
            return self.due
        if self.unit == "working_hour":
            return self._in_service(timedelta(hours=self.value) * percent / 100)
        due = self._in_days()
        if self.unit == "working_day" and (total := self.calendar.service_between(self.start, due)):
            return self.calendar.add_service(self.start, total * percent / 100)
        return self.start + (due - self.start) * percent / 100

    @property
    def order(self) -> tuple[datetime, timedelta]:
        """The strictest first; of those that stand still, the one with least left."""
        return (self.due, timedelta()) if self.due else (_FAR, timedelta(hours=self.value) - self._served())

    @cached_property
    def due(self) -> datetime | None:
        """When all of it is used up."""
        return self._in_service(timedelta(hours=self.value)) if self.unit == "working_hour" else self._in_days()

    def _in_days(self) -> datetime:
        due = moment_after(self.unit, self.value, self.start, self.calendar) + timedelta(days=self.extended_days)
        if self.longest is None:
            return due
        return min(due, end_of(self.start.date() + timedelta(days=self.longest)))

    def _in_service(self, amount: timedelta) -> datetime | None:
        for begins, ends in self._spans():
            served = self.calendar.service_between(begins, ends) if ends else amount
            if served >= amount:
                return self.calendar.add_service(begins, amount)
            amount -= served
        return None

    def _served(self) -> timedelta:
        return sum((self.calendar.service_between(begins, ends) for begins, ends in self._spans() if ends), timedelta())

    def _spans(self) -> list[tuple[datetime, datetime | None]]:
        return [(max(begins, self.start), ends) for begins, ends in self.running if ends is None or ends > self.start]


def moment_after(unit: Unit, value: int, start: datetime, calendar: WorkCalendar) -> datetime:
    """Days end with the day; the day of receipt does not count."""
    local = start.astimezone(BEIJING)
    match unit:
        case "minute":
            return local + timedelta(minutes=value)
        case "hour":
            return local + timedelta(hours=value)
        case "working_hour":
            return calendar.add_service(local, timedelta(hours=value))
        case "natural_day":
            return end_of(local.date() + timedelta(days=value))
        case "working_day":
            return end_of(calendar.add_working_days(local.date(), value))
