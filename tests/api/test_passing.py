"""What a customer says by the number of a merged ticket reaches whoever handles the matter, and a withdrawal ends it."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection

from api.tickets import repository
from api.tickets.privacy import repository as privacy
from tests.api.conftest import Bridge, Start
from tests.api.test_merging import agrees, later
from tests.api.test_ticket_events import by_bot, do, done
from tests.api.test_tickets import filed, read

NOON = "2026-11-25T12:00:00+08:00"
ASKED = {"for": "customer", "reason": "存单的照片"}


@pytest.fixture
async def bridge(start: Start) -> Bridge:
    started: Bridge = await start(clock=NOON)
    return started


async def merged(bridge: Bridge, phone: str = "13900000001", **asked: Any) -> tuple[str, str]:
    """A ticket of the first phone, merged into one of another phone that is being handled."""
    old = await filed(bridge, phone=phone, branch="YT001")
    new = await filed(bridge, phone="13900000002", branch="YT001")
    await done(bridge, new, "accept", owner="wang")
    if asked:
        await done(bridge, new, "wait", **asked)
    await done(bridge, old, "merge", into=new)
    return old, new


async def of_one_customer(bridge: Bridge) -> tuple[str, str]:
    old = await filed(bridge, phone="13900000001", branch="YT001")
    new = await filed(bridge, phone="13900000001", branch="YT002", cause_l1="C3", narrative_raw="排队两小时")
    assert old != new
    await done(bridge, old, "merge", into=new)
    return old, new


async def progress(bridge: Bridge, number: str, tail: str = "0001") -> dict[str, Any]:
    found = await bridge.http.get(f"/v1/public/tickets/{number}", params={"phone_tail": tail})
    return dict(found.json())


async def says(bridge: Bridge, number: str, **event: Any) -> httpx.Response:
    answer = await by_bot(bridge, number, from_customer=True, **event)
    assert answer.status_code == 201, answer.text
    return answer


# Refusals


async def test_the_state_of_the_other_ticket_decides(bridge: Bridge) -> None:
    old, new = await merged(bridge)
    refused = await by_bot(bridge, old, type="review", text="不满意")
    assert (refused.status_code, refused.json()["error"]["details"]["state"]) == (409, "accepted")
    await done(bridge, new, "resolve", outcome="解释")
    assert (await by_bot(bridge, old, type="urge")).status_code == 409
    assert len((await read(bridge, old))["events"]) == 2


async def test_whoever_stands_aside_there_is_refused_here_too(bridge: Bridge) -> None:
    old, new = await merged(bridge)
    await done(bridge, new, "recuse", "supervisor", person="key:handler", reason="反映的是他")
    refused = await do(bridge, old, "contact", text="已联系")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "recused")


async def test_a_withdrawal_is_refused_once_the_case_is_closed(bridge: Bridge) -> None:
    old, new = await merged(bridge)
    await done(bridge, new, "resolve", outcome="解释")
    await done(bridge, new, "close")
    assert (await by_bot(bridge, old, type="withdraw")).status_code == 409
    assert (await read(bridge, old))["state"] == "merged"


async def test_a_note_of_staff_stays_where_it_was_written(bridge: Bridge) -> None:
    old, new = await merged(bridge)
    await done(bridge, old, "comment", text="合并后补记")
    assert [len((await read(bridge, number))["events"]) for number in (old, new)] == [3, 3]


# Words


async def test_what_is_told_reaches_whoever_handles_it(bridge: Bridge) -> None:
    old, new = await merged(bridge, **ASKED)
    later(bridge, days=2)
    told = {"facts": {"amount": "300"}, "callback": True, "evidence": True, "level": 3}
    answer = (await says(bridge, old, type="comment", text="还少了三百元", **told)).json()
    parent, child = await read(bridge, new), await read(bridge, old)
    assert (answer["clock_restarted"], answer["due_at"], answer["ticket_no"]) == (True, parent["due_at"], old)
    assert (parent["amount"], parent["level_peak"], parent["awaited"]) == ("300", 3, None)
    assert {promise["kind"] for promise in parent["promises"]} == {"callback", "evidence"}
    (entry,) = [event for event in parent["events"] if event["data"].get("passed_from") == old]
    assert entry["data"]["text"] == child["events"][-1]["data"]["text"] == "还少了三百元"
    assert child["events"][-1]["data"]["passed_to"] == new
    assert await agrees(bridge, old)
    assert await agrees(bridge, new)


async def test_placeholders_are_those_of_the_conversation_that_was_spoken_in(bridge: Bridge) -> None:
    talk, other = await bridge.talk(), await bridge.talk()
    await talk.answered(await talk.say("我的电话13900000001"))
    await other.answered(await other.say("我的电话13900000002"))
    old = (await bridge.file(conversation_id=talk.id, phone="<PHONE_1>", branch="YT001")).json()["ticket_no"]
    new = (await bridge.file(conversation_id=other.id, phone="<PHONE_1>", branch="YT001")).json()["ticket_no"]
    await done(bridge, old, "merge", into=new)
    await says(bridge, old, type="comment", text="打<PHONE_1>", facts={"staff_described": "接<PHONE_1>的人"})
    parent = await read(bridge, new)
    assert parent["events"][-1]["data"]["text"] == "打13900000001"
    assert parent["staff_described"] == "接13900000001的人"


async def test_urging_contact_and_review_go_on_there(bridge: Bridge) -> None:
    old, new = await merged(bridge)
    await says(bridge, old, type="urge", text="快一点")
    await done(bridge, old, "contact", text="已联系")
    parent = await read(bridge, new)
    assert (parent["urged_count"], parent["first_contact_at"]) == (1, parent["updated_at"])
    await done(bridge, new, "resolve", outcome="解释")
    answer = (await says(bridge, old, type="review", text="不满意")).json()
    assert (answer["state"], (await read(bridge, new))["state"]) == ("accepted", "accepted")
    kinds = [(event["type"], event["audience"]) for event in (await read(bridge, old))["events"][2:]]
    assert kinds == [("urge", "customer"), ("contact", "staff"), ("review", "customer")]


async def test_a_turn_tried_again_happens_once(bridge: Bridge) -> None:
    old, new = await merged(bridge)
    for _ in range(2):
        headers = {**bridge.internal, "Idempotency-Key": "turn-1"}
        event = {"type": "urge", "text": "快一点", "from_customer": True}
        answer = await bridge.http.post(f"/v1/tickets/{old}/events", json=event, headers=headers)
        assert (answer.status_code, answer.json()["urged_count"]) == (201, 1)
    assert (await read(bridge, new))["urged_count"] == 1


async def test_the_old_number_tells_how_the_matter_stands(bridge: Bridge) -> None:
    old, new = await merged(bridge)
    shown, parent = await progress(bridge, old), await read(bridge, new)
    assert (shown["ticket_no"], shown["parent_ticket"], shown["state"]) == (old, new, "accepted")
    assert "并入相关工单" in shown["state_text"]
    assert (shown["due_at"], shown["next_kind"]) == (parent["due_at"], "first_contact")
    await done(bridge, new, "wait", **ASKED)
    asked_of_another = await progress(bridge, old)
    assert (asked_of_another["state"], asked_of_another["awaited"]) == ("investigating", None)
    assert "存单" not in asked_of_another["state_text"]
    await done(bridge, new, "resolve", outcome="解释")
    assert (await progress(bridge, old))["state"] == "proposed"


async def test_what_is_awaited_of_the_same_customer_is_asked_by_either_number(bridge: Bridge) -> None:
    old, new = await of_one_customer(bridge)
    await done(bridge, new, "accept", owner="wang")
    await done(bridge, new, "wait", **ASKED)
    assert (await progress(bridge, old))["awaited"] == "存单的照片"


async def test_split_again_the_words_and_the_level_are_there(bridge: Bridge) -> None:
    old, new = await merged(bridge)
    before = await read(bridge, new)
    later(bridge, days=2)
    await says(bridge, old, type="comment", text="我要去银保监会", facts={"amount": "300"}, level=3)
    assert (await read(bridge, new))["due_at"] != before["due_at"]
    await done(bridge, new, "split", reason="合错了", ticket_no=old)
    child, parent = await read(bridge, old), await read(bridge, new)
    assert (child["level_peak"], parent["due_at"]) == (3, before["due_at"])
    assert "我要去银保监会" in [event["data"].get("text") for event in child["events"]]


async def test_the_words_are_theirs_who_said_them(bridge: Bridge) -> None:
    """In a copy of somebody's data, and when they are erased."""
    old, new = await merged(bridge)
    await says(bridge, old, type="comment", text="我姓欧阳")
    ctx = bridge.app.state.context

    def of(number: str) -> Any:
        return lambda connection: [row.data for row in privacy.from_customer(connection, number)]

    assert await ctx.db.read(of(new)) == []
    assert [data["text"] for data in await ctx.db.read(of(old))] == ["我姓欧阳"]

    def erase(connection: Connection) -> None:
        row = repository.find(connection, old)
        assert row is not None
        privacy.anonymise(connection, row, ctx.clock.now())

    await ctx.db.write(erase)
    parent = await read(bridge, new)
    assert "欧阳" not in str(parent)
    assert parent["events"][-1]["data"]["passed_from"] == old


# Withdrawal


async def test_of_one_customer_it_ends_the_matter_today(bridge: Bridge) -> None:
    old, new = await of_one_customer(bridge)
    answer = (await says(bridge, old, type="withdraw", phone_tail="0001")).json()
    assert (answer["state"], (await read(bridge, new))["state"]) == ("withdrawn", "withdrawn")
    assert (await progress(bridge, old))["withdrawn_at"] is not None
    assert (await read(bridge, old))["events"][-1]["data"]["passed_to"] == new
    assert await agrees(bridge, old)


async def test_of_another_customer_it_ends_theirs_and_the_owner_hears_of_it(bridge: Bridge) -> None:
    old, new = await merged(bridge)
    answer = (await says(bridge, old, type="withdraw", phone_tail="0001")).json()
    child, parent = await read(bridge, old), await read(bridge, new)
    assert (answer["state"], child["state"], parent["state"]) == ("withdrawn", "withdrawn", "accepted")
    assert (child["withdrawn_at"][:10], child["parent_ticket"], parent["repeat_count"]) == ("2026-11-25", None, 0)
    assert parent["events"][-1]["data"] == {"ticket_no": old, "reason": "客户撤回"}
    page = (await bridge.http.get("/v1/notices", headers=bridge.key())).json()["notices"]
    (notice,) = [one for one in page if one["kind"] == "withdrawn"]
    assert (notice["ticket_no"], notice["to_unit"], old in notice["text"]) == (new, parent["route"], True)
    assert await agrees(bridge, old)
    assert await agrees(bridge, new)


async def test_what_another_customer_said_goes_on_by_itself(bridge: Bridge) -> None:
    old, new = await merged(bridge)
    before = await read(bridge, old)
    await says(bridge, new, type="withdraw", phone_tail="0002")
    child, parent = await read(bridge, old), await read(bridge, new)
    assert (child["state"], child["parent_ticket"], child["due_at"]) == ("new", None, before["due_at"])
    assert (parent["state"], parent["repeat_count"], parent["merged_from"]) == ("withdrawn", 0, [])
    page = (await bridge.http.get("/v1/notices", headers=bridge.key())).json()["notices"]
    assert [one["ticket_no"] for one in page if one["kind"] == "withdrawn"] == [old]
    assert await agrees(bridge, old)


async def test_both_withdraw_at_once(bridge: Bridge) -> None:
    """Locks are taken in one order: nobody waits for somebody who waits."""
    for attempt in range(5):
        old, new = await merged(bridge, phone=f"1390000{attempt}001")
        answers = await asyncio.gather(*(by_bot(bridge, number, type="withdraw") for number in (old, new)))
        assert [answer.status_code for answer in answers] == [201, 201]
        assert [(await read(bridge, number))["state"] for number in (old, new)] == ["withdrawn"] * 2
