"""Chinese working days and hours of service. Pure.

Days come from `calendar.yml` where a year stands there, from the library for the years that it knows (放假 and 调休), and are
Monday to Friday for the others: then what was counted is provisional.
"""

import hashlib
from datetime import date, datetime, time, timedelta
from importlib.metadata import version

import chinese_calendar
from chinese_calendar import constants

from api.core.clock import BEIJING
from contract.calendar import Calendar
from contract.dated import in_force

_ONE_DAY = timedelta(days=1)
_LIBRARY_YEARS = frozenset(day.year for day in constants.holidays)


class WorkCalendar:
    """`version` changes when a day or an hour might."""

    def __init__(self, plan: Calendar) -> None:
        self._plan = plan
        self._off = {day for year in plan.years for holiday in year.holidays for day in holiday.days}
        self._on = {day for year in plan.years for day in year.workdays}
        self._years = {year.year for year in plan.years}
        self._known: dict[date, tuple[tuple[datetime, datetime], ...]] = {}
        self._open: dict[date, timedelta] = {}
        self._working: dict[date, bool] = {}
        known = f"{version('chinesecalendar')}\n{plan.model_dump_json()}"
        self.version = hashlib.sha256(known.encode()).hexdigest()[:16]

    def is_working(self, day: date) -> bool:
        """Kept, because the library takes a tenth of a millisecond for a day and a clock may pass hundreds."""
        if day not in self._working:
            self._working[day] = self._look_up(day)
        return self._working[day]

    def _look_up(self, day: date) -> bool:
        if day.year in self._years:
            return day in self._on or (day.weekday() < 5 and day not in self._off)
        if day.year in _LIBRARY_YEARS:
            return bool(chinese_calendar.is_workday(day))
        return day.weekday() < 5

    def is_sure(self, first: date, last: date) -> bool:
        """Whether the working days of every year from one day to the other are published."""
        return all(year in self._years or year in _LIBRARY_YEARS for year in range(first.year, last.year + 1))

    def add_working_days(self, day: date, count: int) -> date:
        """The day itself does not count (民法典第二百零一条)."""
        while count > 0:
            day += _ONE_DAY
            count -= self.is_working(day)
        return day

    def service_between(self, start: datetime, end: datetime) -> timedelta:
        """Hours of service from one moment to another; none when they are in the wrong order."""
        total, day = timedelta(), start.astimezone(BEIJING).date()
        while day <= end.astimezone(BEIJING).date():
            for opens, closes in self._spans(day):
                total += max(min(closes, end) - max(opens, start), timedelta())
            day += _ONE_DAY
        return total

    def add_service(self, start: datetime, amount: timedelta) -> datetime:
        """The first moment by which so much service has passed since `start`; `start` itself for nothing."""
        moment = start.astimezone(BEIJING)
        if amount <= timedelta():
            return moment
        day = moment.date()
        # Counted from the day's beginning, so that the days between are taken whole: a clock may pass hundreds.
        amount += sum(
            (min(closes, moment) - opens for opens, closes in self._spans(day) if opens < moment), timedelta()
        )
        while (open_for := self._open_for(day)) < amount:
            amount -= open_for
            day += _ONE_DAY
        for opens, closes in self._spans(day):
            if closes - opens >= amount:
                return opens + amount
            amount -= closes - opens
        raise AssertionError("a day is as long as its spans")

    def _open_for(self, day: date) -> timedelta:
        if day not in self._open:
            self._open[day] = sum((closes - opens for opens, closes in self._spans(day)), timedelta())
        return self._open[day]

    def _spans(self, day: date) -> tuple[tuple[datetime, datetime], ...]:
        if day not in self._known:
            hours = in_force(self._plan.service_hours, day) if self.is_working(day) else None
            self._known[day] = tuple(
                (datetime.combine(day, span.open, BEIJING), datetime.combine(day, span.close, BEIJING))
                for span in (hours.spans if hours else ())
            )
        return self._known[day]


def end_of(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59), BEIJING)
