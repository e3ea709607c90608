"""What published hours say about one moment."""

from datetime import datetime

import pytest

from actions import branch_facts
from contract.branch import Branch

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
