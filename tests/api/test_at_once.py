"""The same thing several times at the same moment: it happens once, and everybody hears of it."""

import asyncio

from tests.api.conftest import Bridge


async def test_the_same_matter_at_the_same_moment_is_one_ticket(bridge: Bridge) -> None:
    answers = await asyncio.gather(*(bridge.file() for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["ticket_no"] for answer in answers}) == 1


async def test_new_facts_at_the_same_moment_are_new_once(bridge: Bridge) -> None:
    await bridge.file()
    answers = await asyncio.gather(*(bridge.file(amount="20.00") for _ in range(6)))
    assert sorted(answer.json()["clock_restarted"] for answer in answers) == [False] * 5 + [True]


async def test_tickets_at_the_same_moment_get_numbers_of_their_own(bridge: Bridge) -> None:
    answers = await asyncio.gather(*(bridge.file(phone=f"1390000{n:04}") for n in range(20)))
    assert len({answer.json()["ticket_no"] for answer in answers}) == 20


async def test_the_same_event_key_at_the_same_moment_happens_once(bridge: Bridge) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    headers = {**bridge.internal, "Idempotency-Key": "turn-1"}
    event = {"type": "comment", "text": "补充：下午三点"}
    address = f"/v1/tickets/{number}/events"
    answers = await asyncio.gather(*(bridge.http.post(address, json=event, headers=headers) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    ticket = (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key())).json()
    assert [entry["type"] for entry in ticket["events"]] == ["create", "comment"]


async def test_a_branch_is_created_once_by_two_at_the_same_moment(bridge: Bridge) -> None:
    body = {"name": "城东支行", "hours": [{"days": "1-5", "open": "09:00", "close": "17:00"}]}
    put = [bridge.http.put("/v1/branches/YT900", json=body, headers=bridge.key()) for _ in range(6)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*put)) == [200] * 5 + [201]
