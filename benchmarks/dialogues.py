"""`python -m benchmarks.dialogues`: the scenarios against a stack of their own, in figures instead of passes and failures.

Prints a Markdown table: how many dialogues held in full, the customer's messages until the ticket number (the goal: a median
of 6 at most), questions whose answer had been given, and words never to say (the goal: none of either). `--folder` takes
scenarios from elsewhere, such as those of somebody who has not seen the code. Nothing is asserted; that does
tests/dialogue/test_scenarios.py.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from contract.playbook import Playbook
from contract.playbook_loader import load_playbook
from tests.dialogue import scenarios
from tests.running_stack import running_stack, staff_client

_PLAYBOOK = Path(__file__).resolve().parent.parent / "playbook"
# The clock of the scenarios' days, as in tests/conftest.py.
_NOW = "2026-11-25T10:00:00+08:00"


@dataclass(frozen=True)
class Result:
    """One dialogue. `faults` names all that is not as expected; an unfinished dialogue has one and no turns."""

    name: str
    faults: tuple[str, ...]
    turns: int | None = None
    forbidden: int = 0

    @property
    def asked_again(self) -> int:
        return sum(fault.startswith("asked: ") for fault in self.faults)


def measure(scenario: dict[str, Any], url: str, staff: httpx.Client, playbook: Playbook) -> Result:
    """Plays one scenario; a dialogue that gets stuck is a result, too."""
    try:
        played = scenarios.play(scenario, url)
    except AssertionError as error:
        return Result(scenario["name"], (str(error).partition("\n")[0],))
    tickets = [staff.get(f"/v1/tickets/{number}").raise_for_status().json() for number in played.tickets]
    faults = scenarios.faults(scenario, played, tickets)
    forbidden = len(playbook.phrases.violations(played.customer.transcript))
    return Result(scenario["name"], tuple(faults), played.turns_to_ticket, forbidden)


def render(results: Iterable[Result]) -> str:
    """A Markdown table, and a line for each fault."""
    found = list(results)
    turns = [result.turns for result in found if result.turns is not None]
    held = sum(not result.faults and not result.forbidden for result in found)
    lines = [
        "| dialogues | held in full | turns to the ticket, median | asked again | never-say words |",
        "|---|---|---|---|---|",
        f"| {len(found)} | {held} | {statistics.median(turns) if turns else '–'} "
        f"| {sum(result.asked_again for result in found)} | {sum(result.forbidden for result in found)} |",
    ]
    faults = [f"- {result.name}: {fault}" for result in found for fault in result.faults]
    return "\n".join([*lines, "", *faults] if faults else lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=scenarios.FOLDER, help="a folder of scenario files")
    chosen = scenarios.load(parser.parse_args().folder)
    playbook = load_playbook(_PLAYBOOK)
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory), TINGSU_CLOCK=_NOW) as stack,
        staff_client(stack.settings.url) as staff,
    ):
        print(render([measure(scenario, stack.settings.url, staff, playbook) for scenario in chosen]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
