"""What customers send: stored once, kept whole, answered in order, one turn at a time."""

import asyncio
import uuid

import pytest

from tests.api.conftest import Bridge, Talk
from tests.api.fake_bot import answer


def all_asked(bridge: Bridge) -> list[str]:
    """Every line that the bot was asked, turn by turn."""
    return [line for turn in bridge.bot.turns for line in turn["text"].split("\n")]


def customer_texts(page: dict) -> list[str]:
    return [message["text"] for message in page["messages"] if message["role"] == "customer"]


async def hold_first_turn(bridge: Bridge, talk: Talk) -> asyncio.Event:
    """A turn that stays with the bot until the returned event is set."""
    gate, asked = asyncio.Event(), asyncio.Event()

    async def wait(_turn: dict) -> None:
        asked.set()
        await gate.wait()

    bridge.bot.before_answer = wait
    await talk.say("第一句")
    await asyncio.wait_for(asked.wait(), 5)
    return gate


async def test_ten_quick_messages_are_answered_in_order(bridge: Bridge) -> None:
    talk, said = await bridge.talk(), [f"第{number}句" for number in range(10)]
    seqs = [await talk.say(text) for text in said]
    page = await talk.until(lambda _: len(all_asked(bridge)) == len(said))
    assert seqs == sorted(seqs)
    assert customer_texts(page) == said
    assert all_asked(bridge) == said


async def test_messages_at_the_same_moment_are_none_of_them_dropped(bridge: Bridge) -> None:
    talk, said = await bridge.talk(), {f"第{number}句" for number in range(10)}
    seqs = await asyncio.gather(*(talk.say(text) for text in said))
    page = await talk.until(lambda _: len(all_asked(bridge)) == len(said))
    assert len(set(seqs)) == 10
    assert all_asked(bridge) == customer_texts(page)
    assert set(customer_texts(page)) == said


async def test_a_conversation_has_one_turn_at_a_time(bridge: Bridge) -> None:
    bridge.bot.delay = 0.03
    talk = await bridge.talk()
    seqs = [await talk.say(f"第{number}句") for number in range(5)]
    await talk.answered(seqs[-1])
    assert bridge.bot.most_running == {talk.id: 1}


async def test_messages_during_a_turn_are_taken_together(bridge: Bridge) -> None:
    talk = await bridge.talk()
    gate = await hold_first_turn(bridge, talk)
    await talk.say("第二句")
    last = await talk.say("第三句")
    gate.set()
    await talk.until(lambda page: page["messages"][-1]["text"] == "收到：第二句\n第三句")
    assert [turn["text"] for turn in bridge.bot.turns] == ["第一句", "第二句\n第三句"]
    assert [turn["turn_id"] for turn in bridge.bot.turns] == [f"{talk.id}:1", f"{talk.id}:{last}"]


async def test_the_state_of_an_answer_comes_with_the_next_turn(bridge: Bridge) -> None:
    bridge.bot.respond = lambda turn: answer("好", state={"turns": (turn["state"] or {}).get("turns", 0) + 1})
    talk = await bridge.talk()
    for text in ("第一句", "第二句", "第三句"):
        await talk.answered(await talk.say(text))
    assert [turn["state"] for turn in bridge.bot.turns] == [None, {"turns": 1}, {"turns": 2}]


async def test_the_same_client_id_is_stored_once(bridge: Bridge) -> None:
    talk, client_id = await bridge.talk(), str(uuid.uuid4())
    first = await talk.say("柜员让我等", client_id=client_id)
    again = await talk.say("柜员让我等", client_id=client_id)
    page = await talk.answered(first)
    assert again == first
    assert customer_texts(page) == ["柜员让我等"]
    assert len(bridge.bot.turns) == 1


async def test_the_same_client_id_at_the_same_moment_is_stored_once(bridge: Bridge) -> None:
    talk, client_id = await bridge.talk(), str(uuid.uuid4())
    seqs = await asyncio.gather(*(talk.say("柜员让我等", client_id=client_id) for _ in range(5)))
    assert len(set(seqs)) == 1
    assert customer_texts(await talk.answered(seqs[0])) == ["柜员让我等"]


async def test_the_same_client_id_in_two_conversations_is_two_messages(bridge: Bridge) -> None:
    one, other = await bridge.talk(), await bridge.talk()
    await one.say("甲的话", client_id="same")
    await other.say("乙的话", client_id="same")
    assert customer_texts(await one.history()) == ["甲的话"]
    assert customer_texts(await other.history()) == ["乙的话"]


async def test_the_longest_text_is_kept_whole(bridge: Bridge) -> None:
    talk, text = await bridge.talk(), "投诉" * 9_999 + "完。"
    page = await talk.answered(await talk.say(text))
    assert len(text) == 20_000
    assert customer_texts(page) == [text]
    assert bridge.bot.turns[0]["text"] == text


async def test_one_character_more_is_refused_with_the_limit(bridge: Bridge) -> None:
    talk = await bridge.talk()
    refused = await talk.post(text="长" * 20_001)
    assert refused.status_code == 422
    assert refused.json()["error"]["details"] == [{"field": "text", "message": "最多 20000 个字"}]
    assert (await talk.history())["messages"] == []


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "　"], ids=["nothing", "blanks", "line ends", "wide blank"])
async def test_an_empty_text_is_refused(bridge: Bridge, text: str) -> None:
    talk = await bridge.talk()
    refused = await talk.post(text=text)
    assert refused.status_code == 422
    assert "消息不能为空" in refused.json()["error"]["message"]
    assert (await talk.history())["messages"] == []


@pytest.mark.parametrize(
    "text",
    [
        "/restart",
        '/intent{"branch": "x"}',
        "😡" * 50,
        "a\x00b",
        "<script>alert(1)</script>",
        "'; DROP TABLE messages;--",
    ],
    ids=["command", "intent", "emoji", "nul", "html", "sql"],
)
async def test_odd_texts_are_kept_as_they_are(bridge: Bridge, text: str) -> None:
    talk = await bridge.talk()
    assert customer_texts(await talk.answered(await talk.say(text))) == [text]


async def test_a_half_character_is_refused(bridge: Bridge) -> None:
    talk = await bridge.talk()
    refused = await bridge.http.post(
        f"/v1/conversations/{talk.id}/messages",
        content=rb'{"client_id": "1", "text": "\ud83d"}',
        headers={**talk.headers, "Content-Type": "application/json"},
    )
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "invalid_request"


async def test_text_and_choice_together_are_refused(bridge: Bridge) -> None:
    talk = await bridge.talk()
    refused = await talk.post(text="好", choice_id="x")
    assert refused.status_code == 422


async def test_a_picked_choice_reaches_the_bot_as_its_payload(bridge: Bridge) -> None:
    offer = {"text": "对吗？", "choices": [{"label": "确认提交", "payload": "/affirm"}], "asks": "confirm"}
    bridge.bot.respond = lambda turn: {**answer(), "messages": [offer]}
    talk = await bridge.talk()
    page = await talk.answered(await talk.say("交班让我等"))
    (choice,) = page["messages"][-1]["choices"]
    seq = (await talk.post(choice_id=choice["choice_id"])).json()["seq"]
    page = await talk.answered(seq)
    assert bridge.bot.turns[1]["choice"] == "/affirm"
    assert customer_texts(page)[-1] == "确认提交"
    assert "/affirm" not in str(page)


async def test_an_unknown_choice_is_refused_and_the_conversation_goes_on(bridge: Bridge) -> None:
    talk = await bridge.talk()
    refused = await talk.post(choice_id="nobody-offered-this")
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "choice_not_available")
    await talk.answered(await talk.say("那我打字"))


async def test_a_choice_counts_once(bridge: Bridge) -> None:
    offer = {"text": "对吗？", "choices": [{"label": "是", "payload": "/affirm"}]}
    bridge.bot.respond = lambda turn: answer("好") if turn["choice"] else {**answer(), "messages": [offer]}
    talk = await bridge.talk()
    page = await talk.answered(await talk.say("交班让我等"))
    choice_id = page["messages"][-1]["choices"][0]["choice_id"]
    await talk.answered((await talk.post(choice_id=choice_id)).json()["seq"])
    again = await talk.post(choice_id=choice_id)
    assert (again.status_code, again.json()["error"]["code"]) == (422, "choice_not_available")


async def test_more_messages_than_anybody_types_are_held_back(bridge: Bridge) -> None:
    bridge.app.state.turns.backlog = 3
    talk = await bridge.talk()
    gate = await hold_first_turn(bridge, talk)
    await talk.say("第二句")
    await talk.say("第三句")
    refused = await talk.post(text="第四句")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_waiting")
    gate.set()


async def test_after_gives_only_what_is_newer(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say("交班让我等"))
    assert [message["seq"] for message in (await talk.history(after=1))["messages"]] == [2]


async def test_a_long_conversation_is_read_in_pages(bridge: Bridge) -> None:
    bridge.bot.respond = lambda turn: answer(*(f"第{number}条" for number in range(600)))
    talk = await bridge.talk()
    page = await talk.answered(await talk.say("全说给我听"))
    rest = await talk.history(after=page["messages"][-1]["seq"])
    assert page["more"]
    assert "more" not in rest
    assert [message["seq"] for message in page["messages"] + rest["messages"]] == list(range(1, 602))


async def test_without_consent_nothing_begins(bridge: Bridge) -> None:
    refused = await bridge.http.post("/v1/conversations", json={"channel": "web", "consent": False})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "consent_required")


async def test_the_token_of_another_conversation_opens_nothing(bridge: Bridge) -> None:
    mine, theirs = await bridge.talk(), await bridge.talk()
    thief = Talk(bridge.http, theirs.id, mine.token)
    refused = await thief.post(text="让我看看")
    read = await bridge.http.get(f"/v1/conversations/{theirs.id}/messages", headers=mine.headers)
    assert (refused.status_code, read.status_code) == (401, 401)
