"""Every dialogue of `scenarios/`, against the real bot and api, with the ticket that it must produce."""

from typing import Any

import httpx
import pytest

from contract.playbook import Playbook
from tests.dialogue import scenarios

_ALL = scenarios.load()


def test_there_are_enough() -> None:
    assert len(_ALL) >= 120


@pytest.mark.parametrize("scenario", _ALL, ids=[scenario["name"] for scenario in _ALL])
def test_dialogue(scenario: dict[str, Any], base_url: str, staff: httpx.Client, playbook: Playbook) -> None:
    played = scenarios.play(scenario, base_url)
    tickets = [staff.get(f"/v1/tickets/{number}").json() for number in played.tickets]

    assert scenarios.faults(scenario, played, tickets) == [], played.customer.transcript
    assert playbook.phrases.violations(played.customer.transcript) == ()
