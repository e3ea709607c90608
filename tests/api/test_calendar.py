"""Working days and hours of service: 调休, years that nobody has published, lunch."""

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from api.core.clock import BEIJING
from api.tickets.calendar import WorkCalendar
from contract.calendar import Calendar, Holiday, ServiceHours, Span, Year

HOURS = ServiceHours.model_validate(
    {
        "effective_from": date(2020, 1, 1),
        "source": "本行约定",
        "reliability": "P",
        "spans": [{"open": "09:00", "close": "12:00"}, {"open": "13:00", "close": "17:00"}],
    }
)
PLAIN = WorkCalendar(Calendar(service_hours=(HOURS,)))
SPRING_2027 = Holiday(name="春节", first=date(2027, 2, 5), last=date(2027, 2, 11))
KNOWN_2027 = WorkCalendar(
    Calendar(
        service_hours=(HOURS,),
        years=(Year(year=2027, source="演示", holidays=(SPRING_2027,), workdays=(date(2027, 2, 14),)),),
    )
)

moments = st.datetimes(datetime(2021, 1, 1), datetime(2028, 12, 31)).map(lambda found: found.replace(tzinfo=BEIJING))  # noqa: DTZ001
amounts = st.integers(0, 60 * 200).map(lambda minutes: timedelta(minutes=minutes))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)


@pytest.mark.parametrize(
    ("day", "working"),
    [
        ("2025-01-26", True),  # Sunday before Spring Festival, made up
        ("2025-01-28", False),
        ("2025-02-04", False),
        ("2025-02-08", True),  # Saturday after it, made up
        ("2025-09-28", True),  # Sunday before National Day
        ("2025-10-06", False),  # 中秋 inside it
        ("2025-10-08", False),
        ("2025-10-11", True),
        ("2026-02-14", True),  # Saturday before Spring Festival
        ("2026-02-16", False),
        ("2026-02-23", False),
        ("2026-02-28", True),
        ("2026-10-07", False),
        ("2026-10-10", True),
        ("2026-11-28", False),
        ("2024-02-29", True),
        ("2027-02-08", True),  # nobody has published 2027: a Monday
        ("2027-02-14", False),
    ],
)
def test_a_day_is_as_the_state_council_made_it(day: str, working: bool) -> None:
    assert PLAIN.is_working(date.fromisoformat(day)) is working


@pytest.mark.parametrize(("day", "working"), [("2027-02-08", False), ("2027-02-14", True), ("2027-02-15", True)])
def test_past_the_librarys_last_year_the_playbook_decides(day: str, working: bool) -> None:
    assert KNOWN_2027.is_working(date.fromisoformat(day)) is working


@pytest.mark.parametrize(
    ("first", "last", "sure"),
    [("2026-11-01", "2026-12-31", True), ("2026-12-31", "2027-01-01", False), ("2027-06-01", "2027-06-02", False)],
)
def test_only_published_years_are_sure(first: str, last: str, sure: bool) -> None:
    days = date.fromisoformat(first), date.fromisoformat(last)
    assert PLAIN.is_sure(*days) is sure
    assert KNOWN_2027.is_sure(*days)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-11-26T09:00:00", 7, "2026-11-26T17:00:00"),
        ("2026-11-26T11:30:00", 1, "2026-11-26T13:30:00"),
        ("2026-11-26T12:20:00", 1, "2026-11-26T14:00:00"),
        ("2026-11-26T16:00:00", 2, "2026-11-27T10:00:00"),
        ("2026-11-27T20:00:00", 1, "2026-11-30T10:00:00"),
        ("2025-09-30T16:00:00", 2, "2025-10-09T10:00:00"),
        ("2026-02-14T16:00:00", 2, "2026-02-24T10:00:00"),
        ("2026-12-31T16:00:00", 2, "2027-01-01T10:00:00"),
    ],
    ids=["a day", "over lunch", "from lunch", "over night", "over a weekend", "国庆", "春节", "a year not published"],
)
def test_hours_of_service(start: str, hours: int, end: str) -> None:
    assert PLAIN.add_service(at(start), timedelta(hours=hours)) == at(end)
    assert PLAIN.service_between(at(start), at(end)) == timedelta(hours=hours)


@settings(deadline=None)
@given(moments, amounts)
def test_what_is_added_is_what_lies_between(start: datetime, amount: timedelta) -> None:
    end = PLAIN.add_service(start, amount)
    assert PLAIN.service_between(start, end) == amount
    assert end == start or PLAIN.is_working(end.date())


@settings(deadline=None)
@given(st.lists(moments, min_size=3, max_size=3).map(sorted))
def test_service_adds_up(three: list[datetime]) -> None:
    parts = sum((PLAIN.service_between(first, second) for first, second in pairwise(three)), timedelta())
    assert parts == PLAIN.service_between(three[0], three[2])


@settings(deadline=None)
@given(st.dates(date(2021, 1, 1), date(2028, 12, 31)), st.integers(1, 60))
def test_working_days_end_on_a_working_day(day: date, count: int) -> None:
    end = PLAIN.add_working_days(day, count)
    assert PLAIN.is_working(end)
    passed = sum(PLAIN.is_working(day + timedelta(days=one)) for one in range(1, (end - day).days + 1))
    assert passed == count


def test_the_version_changes_with_the_days() -> None:
    assert PLAIN.version == WorkCalendar(Calendar(service_hours=(HOURS,))).version != KNOWN_2027.version


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Year(year=2027, source="演示", holidays=(SPRING_2027,), workdays=(date(2028, 1, 1),)), "不在 2027 年"),
        (lambda: Year(year=2027, source="演示", holidays=(SPRING_2027,), workdays=(date(2027, 2, 6),)), "既是放假又是"),
        (lambda: Holiday(name="春节", first=date(2027, 2, 9), last=date(2027, 2, 5)), "晚于最后一天"),
        (lambda: Calendar(service_hours=(HOURS.model_copy(update={"effective_to": date(2027, 1, 1)}),)), "一直有效"),
        (lambda: Calendar(service_hours=(HOURS, HOURS)), "不能重叠"),
        (lambda: ServiceHours.model_validate({**HOURS.model_dump(), "spans": [*HOURS.spans, Span.model_validate({"open": "16:00", "close": "18:00"})]}), "不重叠"),
    ],
    ids=["another year", "both", "backwards", "an end", "twice", "spans"],
)  # fmt: skip
def test_a_wrong_calendar_is_refused(make: object, expected: str) -> None:
    assert callable(make)
    with pytest.raises(ValidationError, match=expected):
        make()
