"""Satisfaction is asked when the case ends, in the customer's own window, and stays with the ticket."""

import uuid
from typing import Any

import pytest

from api.tickets.events import RATING
from api.tickets.lifecycle import CLOSED_STATES
from contract.playbook import Playbook
from tests.api.conftest import Bridge, Talk
from tests.api.test_ticket_events import done
from tests.api.test_tickets import read


async def closed(bridge: Bridge, conversation_id: str | None, **body: Any) -> str:
    filed = await bridge.file(conversation_id=conversation_id, **body)
    number = str(filed.json()["ticket_no"])
    await done(bridge, number, "accept")
    await done(bridge, number, "resolve", outcome="道歉")
    await done(bridge, number, "close")
    return number


async def asked(talk: Talk) -> list[str]:
    return [one["text"] for one in (await talk.history())["messages"] if one["asks"] == "satisfaction"]


async def rate(bridge: Bridge, talk: Talk, score: int) -> int:
    rating = {"score": score, "resolved": score > 3, "comment": "电话13800138000"}
    path = f"/v1/conversations/{talk.id}/satisfaction"
    return (await bridge.http.post(path, json=rating, headers=talk.headers)).status_code


async def test_the_window_asks_when_the_case_is_closed(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say("柜员让我等"))
    number = (await bridge.file(conversation_id=talk.id)).json()["ticket_no"]
    await done(bridge, number, "accept")
    await done(bridge, number, "resolve", outcome="道歉")
    assert await asked(talk) == []
    await done(bridge, number, "close")
    (last,) = (await talk.history(after=2))["messages"]
    assert (last["seq"], last["role"], last["asks"]) == (3, "bot", "satisfaction")
    assert number in last["text"]


async def test_the_question_is_pushed_and_the_conversation_goes_on(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say("柜员让我等"))
    await closed(bridge, talk.id)
    events = await talk.events(lambda found: len(found) >= 3)
    assert [data["asks"] for name, _, data in events if name == "message"] == [None, None, "satisfaction"]
    page = await talk.answered(await talk.say("谢谢"))
    assert [message["seq"] for message in page["messages"]] == [1, 2, 3, 4, 5]


async def test_a_closed_conversation_is_left_alone(bridge: Bridge) -> None:
    talk = await bridge.talk()
    db = bridge.app.state.context.db
    await db.write(lambda connection: connection.exec_driver_sql("UPDATE conversations SET owner = 'closed'"))
    await closed(bridge, talk.id)
    assert await asked(talk) == []


@pytest.mark.parametrize("conversation_id", [None, "nobody-knows-this"])
async def test_a_ticket_without_a_conversation_closes_all_the_same(bridge: Bridge, conversation_id: str | None) -> None:
    number = await closed(bridge, conversation_id)
    assert (await read(bridge, number))["state"] in CLOSED_STATES


async def test_closing_tried_again_asks_once(bridge: Bridge) -> None:
    talk = await bridge.talk()
    number = (await bridge.file(conversation_id=talk.id)).json()["ticket_no"]
    await done(bridge, number, "accept")
    await done(bridge, number, "resolve", outcome="道歉")
    headers = {**bridge.key("handler"), "Idempotency-Key": str(uuid.uuid4())}
    for _ in range(2):
        await bridge.http.post(f"/v1/tickets/{number}/events", json={"type": "close"}, headers=headers)
    assert len(await asked(talk)) == 1


async def test_the_rating_stays_with_the_ticket(bridge: Bridge) -> None:
    talk = await bridge.talk()
    number = await closed(bridge, talk.id)
    assert (await read(bridge, number))["satisfaction"] is None
    assert [await rate(bridge, talk, score) for score in (2, 5)] == [204, 204]
    rating = (await read(bridge, number))["satisfaction"]
    assert (rating["score"], rating["resolved"]) == (5, True)
    assert rating["at"].endswith("+08:00")


async def test_of_two_tickets_the_one_that_was_closed_is_rated(bridge: Bridge) -> None:
    talk = await bridge.talk()
    number = await closed(bridge, talk.id)
    other = (await bridge.file(conversation_id=talk.id, cause_l1="C6")).json()["ticket_no"]
    await rate(bridge, talk, 4)
    ratings = [(await read(bridge, one))["satisfaction"] for one in (number, other)]
    assert [rating and rating["score"] for rating in ratings] == [4, None]


async def test_a_conversation_without_a_ticket_can_be_rated(bridge: Bridge) -> None:
    assert await rate(bridge, await bridge.talk(), 4) == 204


def test_the_question_is_short_and_says_nothing_forbidden(playbook: Playbook) -> None:
    text = RATING.format(ticket_no="TS2026112500018")
    assert len(text) <= 80
    assert playbook.phrases.violations(text) == ()
