"""What was said in a conversation stands in its tickets: who may not see one of them reads nothing of it, and it ends with them."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import ADMIN_PASSWORD, Bridge, Start, Talk
from tests.api.fake_bot import answer
from tests.api.test_accounts import browser, create
from tests.api.test_desk import boil_over
from tests.api.test_privacy import PHONE, YEARS, closed, delete, ending, event, everything, exported, pass_time

AGENT = {"persons": ["key:agent"]}
STORY = {"narrative_raw": "柜员李四收了我的钱不办事，让我等了两个小时", "cause_l1": "C5", "branch": "BJ01"}


async def said(bridge: Bridge, text: str = "柜员李四很凶") -> Talk:
    talk = await bridge.talk()
    await talk.answered(await talk.say(text))
    return talk


async def reads(bridge: Bridge, talk: Talk, role: str = "agent") -> int:
    place = f"/v1/conversations/{talk.id}"
    async with bridge.http.stream("GET", f"{place}/events", headers=bridge.key(role)) as stream:
        status = stream.status_code
    assert (await bridge.http.get(f"{place}/messages", headers=bridge.key(role))).status_code == status
    return status


async def listed(bridge: Bridge, role: str = "agent") -> list[str]:
    page = (await bridge.http.get("/v1/conversations", headers=bridge.key(role))).json()
    return [one["conversation_id"] for one in page["conversations"]]


# Reading


async def test_of_a_sealed_matter_nothing_is_read_in_its_conversation(bridge: Bridge) -> None:
    talk, open_one = await said(bridge), await said(bridge)
    await bridge.file(cause_l1="C8", phone=PHONE, conversation_id=talk.id, recused=AGENT)
    assert (await reads(bridge, talk), await listed(bridge)) == (404, [open_one.id])
    assert (await reads(bridge, talk, "admin"), await reads(bridge, open_one)) == (200, 200)
    assert set(await listed(bridge, "admin")) == {talk.id, open_one.id}


async def test_an_administrator_whom_it_is_about_reads_nothing_either(bridge: Bridge) -> None:
    talk = await said(bridge)
    await bridge.file(cause_l1="C8", phone=PHONE, conversation_id=talk.id, recused={"persons": ["key:admin"]})
    assert (await reads(bridge, talk, "admin"), await listed(bridge, "admin")) == (404, [])
    assert await reads(bridge, talk, "auditor") == 200


async def test_nor_in_the_conversation_of_a_repeat_that_joined_it(bridge: Bridge) -> None:
    """Although the bot has told of another ticket there since."""
    first, second = await said(bridge), await said(bridge)
    sealed = {**STORY, "cause_l1": "C8", "phone": PHONE}
    filed = [await bridge.file(**sealed, conversation_id=one.id) for one in (first, second)]
    assert [one.json()["merged"] for one in filed] == [False, True]
    other = (await bridge.file(phone=PHONE, cause_l1="C12", conversation_id=second.id)).json()["ticket_no"]
    bridge.bot.respond = lambda turn: answer("登记好了", ticket_no=other)
    await second.answered(await second.say("还有一件事"))
    assert (await reads(bridge, first), await reads(bridge, second)) == (404, 404)


async def test_nor_in_that_of_a_ticket_that_was_merged_into_one_about_the_reader(bridge: Bridge) -> None:
    talk = await said(bridge)
    sealed = {"cause_l1": "C8", "phone": PHONE}
    into = (await bridge.file(**sealed, recused={"persons": ["key:admin"]})).json()["ticket_no"]
    number = (await bridge.file(cause_l1="C8", phone="13800138001", conversation_id=talk.id)).json()["ticket_no"]
    assert await reads(bridge, talk, "admin") == 200
    merged = await bridge.http.post(
        f"/v1/tickets/{number}/events", json={"type": "merge", "into": into}, headers=bridge.key("supervisor")
    )
    assert merged.status_code == 201, merged.text
    assert await reads(bridge, talk, "admin") == 404


async def test_nor_once_its_use_is_restricted(bridge: Bridge) -> None:
    talk = await said(bridge)
    await closed(bridge, phone=PHONE, conversation_id=talk.id)
    assert await reads(bridge, talk) == 200
    await delete(bridge, phone=PHONE)
    assert (await reads(bridge, talk), await listed(bridge)) == (404, [])
    async with browser(bridge, "admin", ADMIN_PASSWORD) as keeper:
        assert (await keeper.get(f"/v1/conversations/{talk.id}/messages")).status_code == 200


async def test_its_alerts_are_not_told_nor_acknowledged(bridge: Bridge) -> None:
    talk = await boil_over(bridge)
    (one,) = (await bridge.http.get("/v1/conversations", headers=bridge.key())).json()["conversations"]
    number = one["alerts"][0]["alert_id"]
    await bridge.file(cause_l1="C8", phone=PHONE, conversation_id=talk.id)
    done = await bridge.http.post(f"/v1/alerts/{number}/acknowledge", headers=bridge.key("agent"))
    assert done.status_code == 404
    done = await bridge.http.post(f"/v1/alerts/{number}/acknowledge", headers=bridge.key("supervisor"))
    assert done.status_code == 204


async def test_a_one_time_password_reads_no_messages(bridge: Bridge) -> None:
    talk = await said(bridge)
    password = (await create(bridge, username="zhang.san", role="agent"))["password"]
    async with browser(bridge, "zhang.san", password) as http:
        refused = await http.get(f"/v1/conversations/{talk.id}/messages")
        streamed = await http.get(f"/v1/conversations/{talk.id}/events")
    for one in (refused, streamed):
        assert (one.status_code, one.json()["error"]["code"]) == (403, "password_change_required")


async def test_reading_counts_as_a_call(start: Start) -> None:
    bridge: Bridge = await start(key_calls_per_minute=2)
    talk = await said(bridge)
    place = f"/v1/conversations/{talk.id}/messages"
    answers = [(await bridge.http.get(place, headers=bridge.key("agent"))).status_code for _ in range(3)]
    assert answers == [200, 200, 429]


@pytest.mark.parametrize("what", ["the account ends", "the matter is sealed"])
async def test_a_running_stream_ends_when_it_may_not_be_read_any_more(bridge: Bridge, what: str) -> None:
    talk, heard = await said(bridge), []
    db, streams = bridge.app.state.context.db, bridge.app.state.context.metrics.streams
    async with browser(bridge, "admin", ADMIN_PASSWORD) as http:

        async def listen() -> None:
            async with http.stream("GET", f"/v1/conversations/{talk.id}/events") as stream:
                async for chunk in stream.aiter_text():
                    heard.append(chunk)

        task = asyncio.create_task(listen())
        async with asyncio.timeout(5):
            while streams._value.get() == 0 or not heard:  # noqa: ASYNC110 - the gauge tells nobody
                await asyncio.sleep(0.01)
        if what == "the account ends":
            await db.write(lambda connection: connection.exec_driver_sql("UPDATE staff SET active = false"))
        else:
            await bridge.file(cause_l1="C8", phone=PHONE, conversation_id=talk.id, recused={"persons": ["admin"]})
        await talk.say("这句话不该再看到")
        async with asyncio.timeout(5):
            await task
    assert "这句话不该再看到" not in "".join(heard)
    assert "柜员李四很凶" in "".join(heard)


# The conversations of a ticket


async def joined(bridge: Bridge) -> tuple[str, Talk, Talk]:
    """A ticket and its two conversations; the second one was told in again."""
    talks = await said(bridge, f"我叫王小明，打{PHONE}"), await said(bridge, "欧阳小红代王小明再问一次")
    number = await closed(bridge, phone=PHONE, name="王小明", conversation_id=talks[0].id)
    await event(bridge, number, type="reopen", reason="客户又来")
    again = await bridge.file(phone=PHONE, name="王小明", conversation_id=talks[1].id)
    assert again.json()["merged"] is True
    await event(bridge, number, type="resolve", outcome="道歉", root_cause="无", corrective_action="无", text="已道歉")
    await event(bridge, number, type="close", text="好")
    return number, *talks


async def test_the_conversation_of_a_repeat_is_in_the_persons_export(bridge: Bridge) -> None:
    await joined(bridge)
    found = await exported(bridge, phone=PHONE)
    told = {message["text"] for said in found["conversations"] for message in said["messages"]}
    assert {f"我叫王小明，打{PHONE}", "欧阳小红代王小明再问一次"} <= told
    assert len(found["consents"]) == 2


async def test_and_ends_with_the_ticket(bridge: Bridge) -> None:
    await joined(bridge)
    pass_time(bridge, YEARS)
    assert (await delete(bridge, phone=PHONE))["removed"]
    kept = await everything(bridge)
    assert "欧阳小红" not in kept
    assert "王小明" not in kept


async def test_but_not_while_another_ticket_of_it_is_kept(bridge: Bridge) -> None:
    _, _, second = await joined(bridge)
    await bridge.file(phone="13800138001", cause_l1="C12", narrative_raw="催收电话", conversation_id=second.id)
    pass_time(bridge, YEARS)
    assert (await ending(bridge)).tickets == 1
    kept = await everything(bridge)
    assert "我叫王小明" not in kept
    assert "欧阳小红" in kept


async def test_a_conversation_that_outlived_its_ticket_ends_by_its_own_days(bridge: Bridge) -> None:
    """One of which nobody knew when its ticket ended."""
    number, _, second = await joined(bridge)
    await bridge.app.state.context.db.write(lambda connection: connection.exec_driver_sql("DELETE FROM ticket_talks"))
    pass_time(bridge, YEARS)
    await second.answered(await second.say("王小明说过的"))
    await ending(bridge)
    bridge.bot.respond = lambda turn: answer("那张工单已经办结", ticket_no=number)
    await second.answered(await second.say("欧阳小红又来了"))
    pass_time(bridge, timedelta(days=181))
    await ending(bridge)
    assert "欧阳小红" not in await everything(bridge)


async def test_consent_withdrawn_in_the_second_conversation_is_told_in_the_ticket(bridge: Bridge) -> None:
    first, second = await said(bridge), await said(bridge)
    numbers = [(await bridge.file(phone=PHONE, conversation_id=one.id)).json()["ticket_no"] for one in (first, second)]
    assert numbers[0] == numbers[1]
    place = f"/v1/conversations/{second.id}/consent/withdraw"
    told: dict[str, Any] = (await bridge.http.post(place, json={}, headers=second.headers)).json()
    assert [one["ticket_no"] for one in told["goes_on"]] == numbers[:1]
    assert told["conversation_removed"] is False
