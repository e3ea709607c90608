"""The checks of `make chaos` see what is wrong, and a short run of it over the real thing finds nothing."""

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.chaos import checks
from benchmarks.chaos.__main__ import Run, chaos, report
from benchmarks.chaos.load import Ledger


class Table:
    """Answers each statement with the next of these rows."""

    def __init__(self, *answers: list[Any]) -> None:
        self._answers = list(answers)

    def execute(self, _statement: Any) -> Any:
        rows = self._answers.pop(0)
        return type("Rows", (list,), {"all": lambda self: list(self), "scalars": lambda self: list(self)})(rows)


def row(**values: Any) -> SimpleNamespace:
    return SimpleNamespace(**values)


@pytest.mark.parametrize(
    ("keys", "there", "expected"),
    [
        ([row(key="a", ticket_no="T1")], ["T1"], None),
        ([row(key="a", ticket_no="T1")], [], "tickets lost"),
        ([row(key="a", ticket_no="T2")], ["T1", "T2"], "tickets lost"),
        ([], ["T1"], "tickets lost"),
        ([row(key="a", ticket_no="T1")] * 2, ["T1"], "keys twice"),
        ([row(key="a", ticket_no="T1")], ["T1", "T9"], "tickets nobody asked for"),
    ],
)
def test_tickets_against_acknowledgements(keys: list[Any], there: list[str], expected: str | None) -> None:
    wrong = checks._filed(Table(keys, there), Ledger(filed={"a": "T1"}))  # type: ignore[arg-type]
    assert [sentence.partition(":")[0] for sentence in wrong][:1] == ([expected] if expected else [])


def entry(ticket_no: str, text: str, actor: str = "key:chaos") -> SimpleNamespace:
    return row(ticket_no=ticket_no, actor=actor, data={"text": text})


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([entry("T1", "a")], []),
        ([], ["entries lost"]),
        ([entry("T1", "a")] * 2, ["entries twice"]),
        ([entry("T1", "a"), entry("T1", "b")], ["entries nobody made"]),
        ([entry("T2", "a")], ["entries lost", "entries nobody made"]),
        ([entry("T1", "a"), entry("T1", "incident", "system"), entry("T2", "incident", "system")], []),
        ([entry("T1", "a"), *[entry("T1", "incident", "system")] * 2], ["entries twice"]),
    ],
)
def test_entries_against_acknowledgements(entries: list[Any], expected: list[str]) -> None:
    wrong = checks._said(Table(entries), Ledger(said={"a": "T1"}))  # type: ignore[arg-type]
    assert [sentence.partition(":")[0] for sentence in wrong] == expected


@pytest.mark.parametrize("steps", [[], ["resolve", "accept"], ["accept", "accept", "resolve"]])
def test_a_life_that_differs_is_told(steps: list[str]) -> None:
    rows = [row(ticket_no="T1", type=step) for step in ("create", *steps)]
    assert checks._moved(Table(rows), Ledger(moved={"T1": ["accept", "resolve"]}))  # type: ignore[arg-type]


def test_deliveries_of_one_ticket_keep_their_order_save_for_repeats() -> None:
    def line(version: int) -> dict[str, Any]:
        return {"id": f"evt_T1_{version}", "body": {"data": {"ticket_no": "T1", "version": version}}}

    assert checks._out_of_order([line(1), line(2), line(1), line(3)]) == []
    assert checks._out_of_order([line(2), line(1)]) == ["T1 1 after 2"]


def test_the_report_counts_what_is_wrong() -> None:
    assert "wrong: 2" in report(Run(wrong=["a", "b"]), 1.0)


@pytest.mark.timeout(300)
async def test_a_few_rounds_lose_and_double_nothing() -> None:
    run = await chaos(rounds=4, seed=7, store="sqlite")
    assert run.wrong == []
    assert run.ledger.filed
