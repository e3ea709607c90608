"""Which explanation is chosen, and that it never claims what is not known."""

from datetime import date

import pytest

from actions.explain import Explanation, Situation, applicable_script, render
from contract.playbook import Condition, Playbook

_SLOTS = {
    "branch_name": "城东支行", "hours": "周一至周五09:00-17:00", "handover": "12:00到12:20", "machines": "1台取款机",
}  # fmt: skip


def situation(*conditions: Condition, cause: str = "C5a", level: int = 1, day: date = date(2026, 11, 25)) -> Situation:
    return Situation(cause=cause, level=level, day=day, conditions=frozenset(conditions), slots=_SLOTS)


def explain(playbook: Playbook, script_id: str, given: Situation) -> Explanation:
    script = playbook.script(script_id)
    assert script is not None
    explanation = render(script, given)
    assert explanation is not None
    return explanation


def test_a_used_script_is_not_offered_again(playbook: Playbook) -> None:
    assert applicable_script(playbook, "C5a", frozenset({"X02"})) is None


def test_no_script_without_a_cause(playbook: Playbook) -> None:
    assert applicable_script(playbook, None, frozenset()) is None


@pytest.mark.parametrize(
    ("cause", "script_id"),
    [("C5a", "X02"), ("C5c", "X10"), ("C5b", "X11"), ("C4a", "X05"), ("C7b", "X21"), ("C10a", "X19"), ("C11a", "X25")],
)
def test_the_script_of_a_cause(playbook: Playbook, cause: str, script_id: str) -> None:
    script = applicable_script(playbook, cause, frozenset())
    assert script is not None
    assert script.id == script_id


def test_an_open_hour_without_a_window_is_our_fault(playbook: Playbook) -> None:
    explanation = explain(
        playbook, "X02", situation("branch_known", "in_handover", "published_open", "window_closed", "event_time_known")
    )
    assert explanation.fault
    assert "我行的问题" in "".join(explanation.parts)


def test_a_closed_noon_is_explained(playbook: Playbook) -> None:
    explanation = explain(
        playbook, "X02", situation("branch_known", "in_handover", "published_closed", "window_closed", "machines_known")
    )
    assert not explanation.fault
    assert "12:00到12:20" in explanation.parts[0]


def test_without_facts_it_only_promises_to_check(playbook: Playbook) -> None:
    explanation = render(
        playbook.script("X02") or pytest.fail("X02"),
        Situation(cause="C5a", level=1, day=date(2026, 11, 25), conditions=frozenset(), slots={}),
    )
    assert explanation is not None
    assert "登记核实" in explanation.parts[0]


@pytest.mark.parametrize(("day", "words"), [(date(2025, 12, 31), "来源或用途"), (date(2026, 1, 1), "不再一律询问")])
def test_the_cash_rule_changes_on_its_date(playbook: Playbook, day: date, words: str) -> None:
    assert words in "".join(explain(playbook, "X11", situation(cause="C5b", day=day)).parts)


def test_every_bubble_is_short_enough_for_wechat(playbook: Playbook) -> None:
    for script in playbook.scripts:
        for version in script.versions:
            for variant in version.variants:
                assert all(len(part) <= 80 for part in variant.parts)
