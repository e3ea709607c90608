"""Which of a unit's people gets a ticket: one table."""

from datetime import date
from typing import Any

import pytest

from api.tickets.routing import choose
from contract.routing import Handler

_DAY = date(2026, 11, 25)
_AWAY = {"effective_from": date(2026, 11, 20), "effective_to": date(2026, 11, 26)}
_BACK = {"effective_from": date(2026, 11, 1), "effective_to": date(2026, 11, 25)}


def people(**named: dict[str, Any]) -> list[Handler]:
    return [
        Handler.model_validate({"person": person, "unit": "运营部", "capacity": 2, **more})
        for person, more in named.items()
    ]


@pytest.mark.parametrize(
    ("named", "running", "recused", "chosen"),
    [
        ({"a": {}, "b": {}}, {}, (), "a"),
        ({"a": {}, "b": {}}, {"a": 1}, (), "b"),
        ({"a": {}, "b": {}}, {"a": 1, "b": 1}, (), "a"),
        ({"a": {}, "b": {}}, {}, ("a",), "b"),
        ({"a": {}}, {"a": 2}, (), None),
        ({"a": {"capacity": 3}}, {"a": 2}, (), "a"),
        ({"a": {"absent": [_AWAY]}, "b": {}}, {"b": 1}, (), "b"),
        ({"a": {"absent": [_BACK]}}, {}, (), "a"),
        ({"a": {"skills": ["C1"]}, "b": {"skills": ["C5"]}}, {"b": 1}, (), "b"),
        ({"a": {"skills": ["C5a"]}}, {}, (), "a"),
        ({"a": {"skills": ["C5b"]}}, {}, (), None),
        ({"a": {}}, {}, ("a",), None),
        ({}, {}, (), None),
    ],
    ids=[
        "in the order of the playbook",
        "the least loaded",
        "even again",
        "not who is complained of",
        "not beyond the capacity",
        "up to the capacity",
        "not who is away",
        "who is back today",
        "by skill before load",
        "by the detail",
        "of another detail",
        "nobody is left",
        "nobody is named",
    ],
)
def test_who_gets_it(
    named: dict[str, dict[str, Any]], running: dict[str, int], recused: tuple[str, ...], chosen: str | None
) -> None:
    found = choose(people(**named), codes=["C5a", "C5"], day=_DAY, running=running, recused=set(recused))
    assert found == chosen
