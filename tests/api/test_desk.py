"""What the desk sees live: tickets, alerts, conversations, and nothing missed while it was away."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert

from api.tickets.handoff.models import outbox
from tests.api.conftest import Bridge, Talk
from tests.api.fake_bot import answer, parse_events

Found = list[tuple[str, int | None, Any]]


async def desk(
    bridge: Bridge, enough: Callable[[Found], bool], *, last: int | None = None, role: str = "supervisor"
) -> Found:
    """The desk's events until there are enough."""
    headers = bridge.key(role) if last is None else {**bridge.key(role), "Last-Event-ID": str(last)}
    text = ""
    async with asyncio.timeout(8), bridge.http.stream("GET", "/v1/desk/events", headers=headers) as stream:
        assert stream.status_code == 200
        async for chunk in stream.aiter_text():
            text += chunk
            if enough(parse_events(text)):
                return parse_events(text)
    raise AssertionError(text)


async def watching(bridge: Bridge, enough: Callable[[Found], bool], **options: Any) -> "asyncio.Task[Found]":
    """A desk that has begun to listen."""
    task = asyncio.create_task(desk(bridge, enough, **options))
    streams = bridge.app.state.context.metrics.streams
    async with asyncio.timeout(5):
        while streams._value.get() == 0:  # noqa: ASYNC110 - the gauge tells nobody
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)  # its first look at the tables
    return task


def tickets(found: Found) -> list[str]:
    return [data["ticket_no"] for name, _, data in found if name == "ticket"]


async def boil_over(bridge: Bridge) -> Talk:
    """A customer whom the bot hands over as urgent."""
    bridge.bot.respond = lambda turn: answer("马上请值班经理联系您", handover={"reason": "level", "alert": True})
    talk = await bridge.talk()
    await talk.answered(await talk.say("我要跳楼"))
    return talk


async def test_a_new_ticket_is_shown_at_once(bridge: Bridge) -> None:
    task = await watching(bridge, lambda found: len(tickets(found)) == 1)
    number = (await bridge.file()).json()["ticket_no"]
    assert tickets(await task) == [number]


async def test_a_desk_that_was_away_hears_of_every_ticket(bridge: Bridge) -> None:
    numbers = [(await bridge.file(phone=f"1390000000{n}")).json()["ticket_no"] for n in range(5)]
    found = await desk(bridge, lambda found: numbers[-1] in tickets(found), last=2)
    assert tickets(found)[-3:] == numbers[2:]  # a few before them may come again: see _LOOK_BACK


async def test_a_desk_that_was_away_for_long_hears_of_every_ticket_too(bridge: Bridge) -> None:
    """More than one page of the outbox."""
    context = bridge.app.state.context
    row = {"type": "ticket.create", "state": "new", "restricted_to": None, "created_at": context.clock.now()}

    def fill(connection: Any) -> None:
        connection.execute(insert(outbox), [{**row, "ticket_no": f"T{number}"} for number in range(500)])

    await context.db.write(fill)
    found = await desk(bridge, lambda found: len(tickets(found)) == 500, last=0)
    assert tickets(found) == [f"T{number}" for number in range(500)]


async def test_tips_about_staff_are_not_announced_to_everybody(bridge: Bridge) -> None:
    task = await watching(bridge, lambda found: len(tickets(found)) == 1, role="agent")
    await bridge.file(cause_l1="C8")
    open_one = (await bridge.file(phone="13900000002")).json()["ticket_no"]
    assert tickets(await task) == [open_one]


async def test_somebody_who_boils_over_raises_an_alert(bridge: Bridge) -> None:
    task = await watching(bridge, lambda found: any(name == "alert" for name, _, _ in found))
    talk = await boil_over(bridge)
    (alert,) = [data for name, _, data in await task if name == "alert"]
    assert (alert["conversation_id"], alert["reason"], alert["urgent"]) == (talk.id, "level", True)


async def test_a_handover_puts_the_conversation_into_the_queue(bridge: Bridge) -> None:
    talk = await boil_over(bridge)
    listed = (await bridge.http.get("/v1/conversations?owner=queued", headers=bridge.key("agent"))).json()
    (conversation,) = listed["conversations"]
    assert (conversation["conversation_id"], conversation["handover_reason"]) == (talk.id, "level")
    assert [alert["urgent"] for alert in conversation["alerts"]] == [True]


async def test_an_acknowledged_alert_is_gone(bridge: Bridge) -> None:
    await boil_over(bridge)
    headers = bridge.key("agent")
    listed = (await bridge.http.get("/v1/conversations", headers=headers)).json()
    number = listed["conversations"][0]["alerts"][0]["alert_id"]
    first = await bridge.http.post(f"/v1/alerts/{number}/acknowledge", headers=headers)
    again = await bridge.http.post(f"/v1/alerts/{number}/acknowledge", headers=headers)
    listed = (await bridge.http.get("/v1/conversations", headers=headers)).json()
    assert (first.status_code, again.status_code) == (204, 404)
    assert listed["conversations"][0]["alerts"] == []


async def test_the_list_of_conversations_says_nothing_of_what_was_said(bridge: Bridge) -> None:
    talk = await bridge.talk()
    page = await talk.answered(await talk.say("柜员很凶"))
    listed = await bridge.http.get("/v1/conversations", headers=bridge.key("agent"))
    assert "柜员很凶" not in listed.text
    assert listed.json()["conversations"][0]["message_count"] == len(page["messages"])


async def test_pages_of_conversations_hold_each_once(bridge: Bridge) -> None:
    talks = [(await bridge.talk()).id for _ in range(5)]
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        query = {"limit": 2, **cursor}
        page = (await bridge.http.get("/v1/conversations", params=query, headers=bridge.key())).json()
        found += [one["conversation_id"] for one in page["conversations"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sorted(found) == sorted(talks)


@pytest.mark.parametrize("query", ["owner=nobody", "cursor=%21", "cursor=eHx5", "limit=0"])
async def test_a_wrong_question_is_refused(bridge: Bridge, query: str) -> None:
    refused = await bridge.http.get(f"/v1/conversations?{query}", headers=bridge.key())
    assert (refused.status_code, set(refused.json())) == (422, {"error"})


async def test_the_last_opinion_of_a_customer_counts(bridge: Bridge) -> None:
    talk = await bridge.talk()
    address = f"/v1/conversations/{talk.id}/satisfaction"
    for score in (2, 5):
        body = {"score": score, "resolved": True, "comment": "卡号6222020200112233445"}
        assert (await bridge.http.post(address, json=body, headers=talk.headers)).status_code == 204
    rows = await bridge.app.state.context.db.read(
        lambda connection: connection.exec_driver_sql("SELECT score FROM satisfaction").all()
    )
    assert [tuple(row) for row in rows] == [(5,)]


@pytest.mark.parametrize("score", [0, 6, "很好", None])
async def test_a_score_is_one_to_five(bridge: Bridge, score: Any) -> None:
    talk = await bridge.talk()
    body = {"score": score, "resolved": True}
    refused = await bridge.http.post(f"/v1/conversations/{talk.id}/satisfaction", json=body, headers=talk.headers)
    assert (refused.status_code, refused.json()["error"]["details"][0]["field"]) == (422, "score")


async def test_the_desk_needs_staff(bridge: Bridge) -> None:
    assert (await bridge.http.get("/v1/desk/events")).status_code == 401
