"""The bot is slow, gone or speaks nonsense: the customer hears it honestly, and the words are answered later, once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, update

from api.dialogue.commit import NOTICE
from api.dialogue.models import conversations
from tests.api.conftest import Bridge, Start, Talk
from tests.api.fake_bot import FakeBot, Server, answer
from tests.api.redis_server import free_port


def texts(page: dict[str, Any], role: str) -> list[str]:
    return [message["text"] for message in page["messages"] if message["role"] == role]


@pytest.fixture
async def impatient(start: Start) -> Bridge:
    """Admits soon that the bot is slow."""
    bridge: Bridge = await start(notice_after=timedelta(seconds=0.3))
    return bridge


async def noticed(talk: Talk) -> dict[str, Any]:
    return await talk.until(lambda page: NOTICE in texts(page, "system"))


async def settled(bridge: Bridge) -> None:
    """Waits for what would come if a turn were answered twice: nothing runs and nothing waits."""
    turns = bridge.app.state.turns
    await turns.sweep_once()
    await asyncio.wait_for(asyncio.gather(*turns._running), 5)


async def test_a_slow_bot_is_admitted_and_answers_once(impatient: Bridge) -> None:
    impatient.bot.delay = 1.0
    talk = await impatient.talk()
    seq = await talk.say("交班让我等")
    await noticed(talk)
    await talk.answered(seq)
    await settled(impatient)
    page = await talk.history()
    assert [(m["role"], m["text"]) for m in page["messages"]] == [
        ("customer", "交班让我等"),
        ("system", NOTICE),
        ("bot", "收到：交班让我等"),
    ]
    assert len(impatient.bot.turns) == 1


async def test_a_quick_bot_needs_no_notice(bridge: Bridge) -> None:
    talk = await bridge.talk()
    page = await talk.answered(await talk.say("交班让我等"))
    assert texts(page, "system") == []


async def test_a_bot_beyond_its_deadline_is_asked_again(start: Start) -> None:
    bridge = await start(bot_deadline=timedelta(seconds=0.3))
    bridge.bot.before_answer = lambda turn: asyncio.sleep(1.0 if len(bridge.bot.turns) == 1 else 0)
    talk = await bridge.talk()
    page = await talk.answered(await talk.say("交班让我等"))
    await settled(bridge)
    assert texts(page, "bot") == ["收到：交班让我等"]
    assert len(bridge.bot.turns) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, None), (500, b"boom"), (200, b""), (200, b"[]"), (200, b"{}"), (200, b"<html>"), (302, b"")],
    ids=["unavailable", "broken", "empty", "rasa without redis", "no answer", "not json", "redirect"],
)
async def test_what_is_no_answer_is_asked_again(bridge: Bridge, status: int, body: bytes | None) -> None:
    bridge.bot.failures, bridge.bot.status, bridge.bot.body = 1, status, body
    talk = await bridge.talk()
    page = await talk.answered(await talk.say("交班让我等"))
    await settled(bridge)
    assert texts(page, "bot") == ["收到：交班让我等"]
    first, second = bridge.bot.turns
    assert first == second


async def test_an_answer_without_words_is_a_failure(bridge: Bridge) -> None:
    bridge.bot.respond = lambda turn: answer() if len(bridge.bot.turns) == 1 else answer("我在")
    talk = await bridge.talk()
    page = await talk.answered(await talk.say("交班让我等"))
    assert texts(page, "bot") == ["我在"]


async def test_a_failing_bot_is_admitted_only_once(impatient: Bridge) -> None:
    impatient.bot.failures = 3
    talk = await impatient.talk()
    page = await talk.answered(await talk.say("交班让我等"), seconds=15)
    assert texts(page, "system") == [NOTICE]
    assert texts(page, "bot") == ["收到：交班让我等"]


async def test_words_said_while_the_bot_is_gone_are_answered_when_it_is_back(start: Start) -> None:
    port = free_port()
    bridge = await start(bot_url=f"http://127.0.0.1:{port}", notice_after=timedelta(seconds=0.3))
    talk = await bridge.talk()
    await talk.say("第一句")
    await noticed(talk)
    last = await talk.say("第二句")
    bot = FakeBot()
    server = Server(bot.app, port)
    await server.start()
    try:
        page = await talk.until(lambda page: "第二句" in "".join(texts(page, "bot")), seconds=15)
        await settled(bridge)
    finally:
        await bridge.stop()
        await server.stop()
    assert texts(page, "customer") == ["第一句", "第二句"]
    assert [line for turn in bot.turns for line in turn["text"].split("\n")] == ["第一句", "第二句"]
    assert page["messages"][-1]["seq"] > last


async def test_the_same_words_are_asked_again_and_later_ones_wait(bridge: Bridge) -> None:
    bridge.bot.failures = 1
    talk = await bridge.talk()
    await talk.say("第一句")
    await talk.say("第二句")
    await talk.until(lambda page: len(texts(page, "bot")) == 2)
    assert [turn["text"] for turn in bridge.bot.turns] == ["第一句", "第一句", "第二句"]


async def test_a_new_notice_is_given_for_a_new_delay(impatient: Bridge) -> None:
    impatient.bot.delay = 0.8
    talk = await impatient.talk()
    await talk.answered(await talk.say("第一句"))
    page = await talk.answered(await talk.say("第二句"))
    assert texts(page, "system") == [NOTICE, NOTICE]


async def test_after_several_failures_a_human_is_called(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.dialogue.turns._FIRST_RETRY", 0.01)
    bridge.bot.failures = 1_000
    talk = await bridge.talk()
    await talk.say("交班让我等")
    await talk.until(lambda page: page["owner"] == "queued", seconds=15)
    listed = (await bridge.http.get("/v1/conversations?owner=queued", headers=bridge.key("agent"))).json()
    assert [alert["reason"] for alert in listed["conversations"][0]["alerts"]] == ["bot_error"]


async def test_the_bot_takes_over_again_when_it_is_back(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.dialogue.turns._FIRST_RETRY", 0.01)
    bridge.bot.failures = 6
    talk = await bridge.talk()
    page = await talk.answered(await talk.say("交班让我等"), seconds=20)
    assert page["owner"] == "bot"


async def test_a_bridge_that_stopped_in_a_turn_answers_after_its_restart(start: Start) -> None:
    first = await start(notice_after=timedelta(seconds=0.3))
    first.bot.failures = 1_000
    before = await first.talk()
    await before.say("交班让我等")
    await noticed(before)
    await first.stop()
    first.bot.failures = 0
    second = await start()
    after = Talk(second.http, before.id, before.token)
    page = await after.until(lambda page: texts(page, "bot") != [])
    await settled(second)
    assert texts(page, "customer") == ["交班让我等"]
    assert texts(await after.history(), "bot") == ["收到：交班让我等"]


async def test_the_answer_of_a_lost_claim_is_thrown_away(bridge: Bridge) -> None:
    """Somebody else has taken the turn meanwhile: theirs counts, ours must not be said twice."""
    db, taken = bridge.app.state.context.db, []

    async def somebody_is_faster(turn: dict[str, Any]) -> None:
        if not taken:
            taken.append(await db.write(lambda connection: _steal(connection, turn["conversation_id"])))

    bridge.bot.before_answer = somebody_is_faster
    talk = await bridge.talk()
    page = await talk.answered(await talk.say("交班让我等"))
    await settled(bridge)
    assert texts(page, "bot") == ["收到：交班让我等"]
    assert len(bridge.bot.turns) == 2


def _steal(connection: Connection, conversation_id: str) -> None:
    """A higher fence whose holder is gone at once."""
    mine = conversations.c.id == conversation_id
    connection.execute(update(conversations).where(mine).values(fence=conversations.c.fence + 1, claim_until=None))
