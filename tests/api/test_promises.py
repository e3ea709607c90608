"""What was promised by word: made once, kept by whoever it was promised by, and overdue when it is not."""

from typing import Any

import pytest

from tests.api.conftest import Bridge
from tests.api.test_joining import later, says
from tests.api.test_ticket_events import done
from tests.api.test_tickets import read


async def promised(bridge: Bridge, **body: Any) -> list[str]:
    number = (await bridge.file(**body)).json()["ticket_no"]
    return [promise["kind"] for promise in (await read(bridge, number))["promises"]]


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        ({}, []),
        ({"callback_wanted": True}, ["callback"]),
        ({"callback_wanted": True, "phone": None}, []),
        ({"is_agent": True, "authorization": "promised"}, ["authorization_original"]),
        ({"is_agent": True, "authorization": "none"}, []),
        ({"is_agent": False, "authorization": "promised"}, []),
        (
            {"callback_wanted": True, "is_agent": True, "authorization": "promised"},
            ["callback", "authorization_original"],
        ),
    ],
    ids=["nothing", "callback", "no phone to call", "a paper", "no paper", "for oneself", "both"],
)
async def test_what_is_promised_at_filing(bridge: Bridge, body: dict[str, Any], kinds: list[str]) -> None:
    assert await promised(bridge, **body) == kinds


async def test_a_callback_is_due_with_the_first_contact_and_a_paper_never(bridge: Bridge) -> None:
    filed = (await bridge.file(callback_wanted=True, is_agent=True, authorization="promised")).json()
    callback, paper = (await read(bridge, filed["ticket_no"]))["promises"]
    assert (callback["due_at"], callback["made_at"]) == (filed["first_contact_due_at"], filed["created_at"])
    assert (paper["due_at"], paper["overdue"]) == (None, False)


async def test_a_contact_keeps_the_callback_and_nothing_else(bridge: Bridge) -> None:
    number = await _with_two(bridge)
    ticket = await done(bridge, number, "contact", text="已联系")
    callback, paper = ticket["promises"]
    assert (callback["met_at"] is not None, paper["met_at"]) == (True, None)
    assert ticket["events"][-1]["data"]["promise_met"] == "callback"


async def test_a_callback_that_was_not_made_is_overdue_until_the_case_ends(bridge: Bridge) -> None:
    number = await _with_two(bridge)
    later(bridge, days=1)
    await done(bridge, number, "withdraw")
    later(bridge, days=30)
    assert [promise["overdue"] for promise in (await read(bridge, number))["promises"]] == [False, False]
    await done(bridge, number, "reopen", reason="客户改变主意")
    assert [promise["overdue"] for promise in (await read(bridge, number))["promises"]] == [True, False]


async def test_the_same_promise_is_not_made_twice_while_it_is_open(bridge: Bridge) -> None:
    number = (await bridge.file(callback_wanted=True)).json()["ticket_no"]
    again = await bridge.file(callback_wanted=True, narrative_raw="还没人打电话")
    assert (again.status_code, again.json()["ticket_no"]) == (200, number)
    assert len((await read(bridge, number))["promises"]) == 1
    await done(bridge, number, "contact", text="已联系")
    await bridge.file(callback_wanted=True, narrative_raw="再打一次")
    assert [one["met_at"] is None for one in (await read(bridge, number))["promises"]] == [False, True]


@pytest.mark.parametrize(("body", "kinds"), [({}, ["callback"]), ({"phone": None}, [])], ids=["a phone", "no phone"])
async def test_a_callback_that_is_asked_for_later(bridge: Bridge, body: dict[str, Any], kinds: list[str]) -> None:
    filed = (await bridge.file(**body)).json()
    for key in ("turn-1", "turn-2"):
        told = (await says(bridge, filed["ticket_no"], key, callback=True)).json()
        assert told["clock_restarted"] is False
    promises = (await read(bridge, filed["ticket_no"]))["promises"]
    assert [promise["kind"] for promise in promises] == kinds
    assert all(promise["due_at"] == filed["first_contact_due_at"] for promise in promises)


async def test_whoever_is_done_with_promises_no_callback(bridge: Bridge) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    await done(bridge, number, "withdraw")
    await says(bridge, number, callback=True)
    assert (await read(bridge, number))["promises"] == []


async def test_a_promise_survives_the_ticket_that_is_merged(bridge: Bridge) -> None:
    into = (await bridge.file(phone="13900000001")).json()["ticket_no"]
    number = (await bridge.file(callback_wanted=True)).json()["ticket_no"]
    assert (await done(bridge, number, "merge", into=into))["promises"] == []
    assert [promise["kind"] for promise in (await read(bridge, into))["promises"]] == ["callback"]


async def test_a_replayed_filing_promises_once(bridge: Bridge) -> None:
    for _ in range(2):
        number = (await bridge.file(key="k-1", callback_wanted=True)).json()["ticket_no"]
    assert len((await read(bridge, number))["promises"]) == 1


async def _with_two(bridge: Bridge) -> str:
    filed = await bridge.file(callback_wanted=True, is_agent=True, authorization="promised")
    return str(filed.json()["ticket_no"])
