"""The conversation as an event stream: every message once, in order, whatever happens to the connection."""

import asyncio
from typing import Any

import pytest

from tests.api.conftest import Bridge, Start, Talk
from tests.api.fake_bot import answer


def numbers(events: list[Any]) -> list[int]:
    return [number for name, number, _ in events if name == "message"]


def named(events: list[Any], name: str) -> list[Any]:
    return [data for kind, _, data in events if kind == name]


async def test_a_stream_opens_with_all_that_was_said(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say("交班让我等"))
    events = await talk.events(lambda found: len(found) >= 3)
    assert named(events, "message") == (await talk.history())["messages"]
    assert named(events, "owner") == [{"owner": "bot"}]


async def test_an_open_stream_gets_messages_as_they_come(bridge: Bridge) -> None:
    talk = await bridge.talk()
    reading = asyncio.create_task(talk.events(lambda found: len(numbers(found)) == 4))
    for text in ("第一句", "第二句"):
        await talk.answered(await talk.say(text))
    assert numbers(await reading) == [1, 2, 3, 4]


async def test_typing_is_shown_while_the_bot_thinks(bridge: Bridge) -> None:
    talk = await bridge.talk()
    reading = asyncio.create_task(talk.events(lambda found: {"active": False} in named(found, "typing")))
    await talk.until(lambda page: bridge.app.state.context.metrics.streams._value.get() == 1)
    await talk.say("交班让我等")
    assert named(await reading, "typing") == [{"active": True}, {"active": False}]


async def test_last_event_id_resumes_behind_what_was_seen(bridge: Bridge) -> None:
    talk = await bridge.talk()
    for text in ("第一句", "第二句", "第三句"):
        await talk.answered(await talk.say(text))
    events = await talk.events(lambda found: 6 in numbers(found), last=3)
    assert numbers(events) == [4, 5, 6]


async def test_a_stream_that_breaks_again_and_again_loses_and_repeats_nothing(bridge: Bridge) -> None:
    talk, seen = await bridge.talk(), []

    async def read() -> None:
        while len(seen) < 20:
            enough = min(3, 20 - len(seen))
            events = await talk.events(lambda found, enough=enough: len(numbers(found)) >= enough, last=len(seen))
            seen.extend(numbers(events))

    reading = asyncio.create_task(read())
    for number in range(10):
        await talk.answered(await talk.say(f"第{number}句"))
    await asyncio.wait_for(reading, 10)
    assert seen == list(range(1, 21))


async def test_two_readers_both_get_everything(bridge: Bridge) -> None:
    talk = await bridge.talk()
    readers = [asyncio.create_task(talk.events(lambda found: len(numbers(found)) == 4)) for _ in range(2)]
    for text in ("第一句", "第二句"):
        await talk.answered(await talk.say(text))
    for events in await asyncio.gather(*readers):
        assert numbers(events) == [1, 2, 3, 4]


async def test_a_long_conversation_is_resumed_whole(bridge: Bridge) -> None:
    """More messages than one page of the table."""
    bridge.bot.respond = lambda turn: answer(*(f"第{number}条" for number in range(600)))
    talk = await bridge.talk()
    await talk.answered(await talk.say("全说给我听"))
    events = await talk.events(lambda found: 601 in numbers(found))
    assert numbers(events) == list(range(1, 602))


async def test_nobody_hears_another_conversation(bridge: Bridge) -> None:
    mine, theirs = await bridge.talk(), await bridge.talk()
    reading = asyncio.create_task(mine.events(lambda found: len(numbers(found)) == 2))
    await theirs.answered(await theirs.say("别人的话"))
    await mine.say("我的话")
    assert "别人的话" not in str(await reading)


async def test_a_new_owner_is_told(bridge: Bridge) -> None:
    bridge.bot.respond = lambda turn: answer("马上为您转人工", handover={"reason": "user_request"})
    talk = await bridge.talk()
    reading = asyncio.create_task(talk.events(lambda found: {"owner": "queued"} in named(found, "owner")))
    await talk.say("转人工")
    assert named(await reading, "owner")[-1] == {"owner": "queued"}


async def test_a_ticket_number_is_told(bridge: Bridge) -> None:
    filed = (await bridge.file()).json()["ticket_no"]
    bridge.bot.respond = lambda turn: answer("已登记", ticket_no=filed)
    talk = await bridge.talk()
    reading = asyncio.create_task(talk.events(lambda found: named(found, "ticket") != []))
    await talk.say("确认")
    assert named(await reading, "ticket") == [{"ticket_no": filed}]


@pytest.mark.parametrize("redis", [None, "redis://127.0.0.1:1/0"], ids=["without redis", "redis is dead"])
async def test_a_stream_does_not_need_redis(start: Start, redis: str | None) -> None:
    bridge = await start(redis_url=redis)
    talk = await bridge.talk()
    reading = asyncio.create_task(talk.events(lambda found: len(numbers(found)) == 2))
    await talk.say("交班让我等")
    assert numbers(await reading) == [1, 2]


async def test_a_wrong_token_hears_nothing(bridge: Bridge) -> None:
    talk = await bridge.talk()
    refused = await bridge.http.get(f"/v1/conversations/{talk.id}/events", headers={"Authorization": "Bearer wrong"})
    assert refused.status_code == 401


@pytest.mark.parametrize("last", ["-1; DROP", "²", "9" * 30], ids=["not a number", "not ascii", "too large"])
async def test_a_strange_last_event_id_starts_from_the_beginning(bridge: Bridge, last: str) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say("交班让我等"))
    headers = {**talk.headers, "Last-Event-ID": last.encode()}
    async with bridge.http.stream("GET", f"/v1/conversations/{talk.id}/events", headers=headers) as stream:
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        first = await anext(stream.aiter_text())
    assert "id: 1\n" in first


async def test_streams_end_when_the_bridge_stops(start: Start) -> None:
    bridge = await start()
    talk: Talk = await bridge.talk()
    async with bridge.http.stream("GET", f"/v1/conversations/{talk.id}/events", headers=talk.headers) as stream:
        chunks = stream.aiter_text()
        await anext(chunks)
        stopping = asyncio.create_task(bridge.stop())
        async with asyncio.timeout(5):
            assert [chunk async for chunk in chunks if chunk.startswith("event")] == []
        await stopping
