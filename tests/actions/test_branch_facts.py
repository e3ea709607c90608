"""What published hours say about one moment. The holidays of 2026 are those that the State Council published."""

from datetime import date, datetime

import pytest

from actions import branch_facts
from contract.branch import Branch
from contract.script import Condition

_BRANCH = Branch.model_validate(
    {
        "code": "B1",
        "name": "城东支行",
        "hours": [
            {"days": "1-5", "open": "09:00", "close": "12:00"},
            {"days": "1-5", "open": "13:00", "close": "17:00"},
            {"days": "6", "open": "09:30", "close": "16:00"},
        ],
        "handover": [{"start": "12:00", "end": "12:20"}],
        "nearest": ["B2", "南湖支行"],
    }
)
_HOLIDAY = {"holiday_hours": [{"open": "10:00", "close": "15:00"}]}
_CLOSED: dict[str, object] = {"holiday_hours": []}
_SUNDAYS = {"hours": [*_BRANCH.model_dump()["hours"], {"days": "7", "open": "10:00", "close": "14:00"}]}


def branch(changes: dict[str, object] | None = None) -> Branch:
    return Branch.model_validate({**_BRANCH.model_dump(), **(changes or {})})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-25T08:59", False),
        ("2026-11-25T09:00", True),
        ("2026-11-25T12:00", False),  # the closing minute is closed
        ("2026-11-25T13:00", True),
        ("2026-11-28T10:00", True),  # Saturday
        ("2026-11-29T10:00", False),  # Sunday
    ],
)
def test_is_published_open(moment: str, is_open: bool) -> None:
    assert branch_facts.is_published_open(_BRANCH, at(moment)) is is_open


def test_nothing_is_claimed_without_a_branch() -> None:
    assert branch_facts.conditions(None, at("2026-11-25T12:05")) == frozenset()


def test_nothing_is_claimed_about_hours_without_a_time() -> None:
    found = branch_facts.conditions(_BRANCH, None)
    assert found == {"branch_known", "window_closed", "nearest_known"}


def test_the_handover_of_a_closed_noon() -> None:
    found = branch_facts.conditions(_BRANCH, at("2026-11-25T12:05"))
    assert {"in_handover", "published_closed", "window_closed"} <= found


def test_texts() -> None:
    assert branch_facts.hours_text(_BRANCH, at("2026-11-25T12:05")) == "周一至周五09:00-12:00、13:00-17:00"
    assert branch_facts.hours_text(_BRANCH, None) == "周一至周五09:00-12:00、13:00-17:00；周六09:30-16:00"
    assert branch_facts.handover_text(_BRANCH) == "12:00到12:20"
    assert branch_facts.nearest_text(_BRANCH, {"B2": "柳园支行"}) == "柳园支行、南湖支行"


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2026-11-25", "plain"),
        ("2026-11-28", "plain"),  # a weekend is no holiday
        ("2026-10-01", "holiday"),  # National Day
        ("2026-10-05", "holiday"),  # a Monday of that week
        ("2026-10-03", "holiday"),  # a Saturday of that week
        ("2026-02-23", "holiday"),  # the last day of Spring Festival
        ("2026-10-10", "working_weekend"),  # the Saturday worked for it
        ("2026-09-20", "working_weekend"),  # a Sunday worked for it
        ("2026-10-08", "plain"),
        ("2099-10-01", "plain"),  # nothing is published of that year
    ],
)
def test_day_kind(day: str, kind: str) -> None:
    assert branch_facts.day_kind(date.fromisoformat(day)) == kind


@pytest.mark.parametrize(
    ("changes", "day", "spans"),
    [
        ({}, "2026-11-25", "09:00-12:00 13:00-17:00"),
        ({}, "2026-11-28", "09:30-16:00"),
        ({}, "2026-11-29", ""),
        # A holiday: its own hours, closed, or like a Sunday when nothing is told.
        (_HOLIDAY, "2026-10-01", "10:00-15:00"),
        (_HOLIDAY, "2026-10-03", "10:00-15:00"),
        (_CLOSED, "2026-10-01", ""),
        ({}, "2026-10-01", ""),
        (_SUNDAYS, "2026-10-01", "10:00-14:00"),
        (_HOLIDAY, "2026-11-29", ""),  # a plain Sunday has none of it
        # 调休: Monday's hours, whatever day it is.
        ({}, "2026-10-10", "09:00-12:00 13:00-17:00"),
        (_SUNDAYS, "2026-09-20", "09:00-12:00 13:00-17:00"),
        # Past what is published: plain weekdays (a Thursday, a Sunday).
        (_CLOSED, "2099-10-01", "09:00-12:00 13:00-17:00"),
        ({}, "2099-10-04", ""),
    ],
)
def test_opening_on(changes: dict[str, object], day: str, spans: str) -> None:
    found = branch_facts.opening_on(branch(changes), date.fromisoformat(day))
    assert " ".join(f"{span.open:%H:%M}-{span.close:%H:%M}" for span in found) == spans


@pytest.mark.parametrize(
    ("changes", "moment", "holding"),
    [
        ({}, "2026-11-25T10:00", {"published_open", "outside_handover"}),
        ({}, "2026-11-28T12:05", {"published_open", "in_handover"}),
        # Nobody hands over at a branch that does not open that day.
        ({}, "2026-11-29T12:05", {"published_closed", "closed_all_day", "outside_handover"}),
        (_HOLIDAY, "2026-10-01T12:05", {"published_open", "holiday", "in_handover"}),
        (_HOLIDAY, "2026-10-01T16:00", {"published_closed", "holiday", "outside_handover"}),
        (_CLOSED, "2026-10-01T12:05", {"published_closed", "holiday", "closed_all_day", "outside_handover"}),
        ({}, "2026-10-10T16:30", {"published_open", "outside_handover"}),  # a Saturday would have closed at 16:00
    ],
)
def test_conditions_of_a_day(changes: dict[str, object], moment: str, holding: set[Condition]) -> None:
    always = {"branch_known", "window_closed", "nearest_known"}
    assert branch_facts.conditions(branch(changes), at(moment)) == always | holding


@pytest.mark.parametrize(("windows", "known"), [(3, True), (0, False), (None, False)])
def test_windows_known(windows: int | None, known: bool) -> None:
    assert ("windows_known" in branch_facts.conditions(branch({"windows": windows}), None)) is known


@pytest.mark.parametrize(
    ("changes", "moment", "hours", "closed"),
    [
        ({}, "2026-11-28T18:00", "周六09:30-16:00", ""),
        # Without hours that day: the whole week's, and the day is named.
        ({}, "2026-11-29T10:00", "周一至周五09:00-12:00、13:00-17:00；周六09:30-16:00", "周日不营业"),
        (_HOLIDAY, "2026-10-01T16:00", "节假日10:00-15:00", ""),
        (_SUNDAYS, "2026-10-01T16:00", "节假日10:00-14:00", ""),
        (_CLOSED, "2026-10-03T10:00", "周一至周五09:00-12:00、13:00-17:00；周六09:30-16:00", "节假日不营业"),
        ({}, "2026-10-10T18:00", "调休上班日09:00-12:00、13:00-17:00", ""),
    ],
)
def test_texts_of_a_day(changes: dict[str, object], moment: str, hours: str, closed: str) -> None:
    assert branch_facts.hours_text(branch(changes), at(moment)) == hours
    assert branch_facts.closed_text(branch(changes), at(moment)) == closed
