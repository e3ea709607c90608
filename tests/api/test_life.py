"""A ticket's life over HTTP: what each state means to staff and to the customer, and two people at once."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from api.core.security import STAFF_ROLES
from api.tickets import repository
from api.tickets.lifecycle import State, state_of
from api.tickets.models import tickets
from tests.api.conftest import Bridge
from tests.api.test_natures import progress
from tests.api.test_staff import code
from tests.api.test_ticket_events import by_bot, do, done
from tests.api.test_tickets import read


@pytest.fixture
async def number(bridge: Bridge) -> str:
    return str((await bridge.file()).json()["ticket_no"])


async def derived(bridge: Bridge, number: str) -> tuple[State, list[int | None]]:
    """The state that the thread leads to, and the numbers of its entries as they are kept."""
    entries = await bridge.app.state.context.db.read(lambda connection: repository.events_of(connection, number))
    return state_of(entries), [entry.seq for entry in entries]


# The whole course


async def test_every_state_on_the_way_agrees_with_the_thread(bridge: Bridge, number: str) -> None:
    steps: list[tuple[str, dict[str, Any], State]] = [
        ("accept", {}, State.ACCEPTED),
        ("investigate", {}, State.INVESTIGATING),
        ("wait", {"for": "customer", "reason": "存单的照片"}, State.WAITING_CUSTOMER),
        ("resume", {}, State.INVESTIGATING),
        ("wait", {"for": "third_party", "reason": "收单机构的回单"}, State.WAITING_THIRD_PARTY),
        ("resolve", {"outcome": "无依据"}, State.PROPOSED),
        ("review", {"text": "不认可"}, State.ACCEPTED),
        ("assign", {"route": "运营部"}, State.NEW),
        ("accept", {}, State.ACCEPTED),
        ("reject", {"reason": "不归我部"}, State.NEW),
        ("not_complaint", {"reason": "是业务咨询"}, State.REJECTED_NOT_COMPLAINT),
        ("review", {"text": "这就是投诉"}, State.NEW),  # no unit had accepted it
        ("accept", {}, State.ACCEPTED),
        ("resolve", {"outcome": "解释"}, State.PROPOSED),
        ("close", {}, State.CLOSED_EXPLAINED),
        ("reopen", {"reason": "发现差错"}, State.ACCEPTED),
        ("resolve", {"outcome": "退费"}, State.PROPOSED),
        ("close", {}, State.CLOSED_RESOLVED),
        ("assess", {"validity": "有效"}, State.CLOSED_RESOLVED),
    ]
    for place, (kind, fields, state) in enumerate(steps, start=2):
        ticket = await done(bridge, number, kind, "supervisor", **fields)
        assert (ticket["state"], ticket["version"], ticket["events"][-1]["seq"]) == (state, place, place)
        assert await derived(bridge, number) == (state, list(range(1, place + 1)))
    assert (ticket["validity"], ticket["outcome"]) == ("有效", "退费")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("wait", {"for": "customer"}),
        ("wait", {"reason": "照片"}),
        ("wait", {"for": "me", "reason": "照片"}),
        ("not_complaint", {}),
        ("assess", {}),
        ("assess", {"validity": "也许"}),
        ("resume", {}),
    ],
)
async def test_what_an_event_lacks_is_named_and_nothing_happens(
    bridge: Bridge, number: str, kind: str, fields: dict[str, Any]
) -> None:
    await done(bridge, number, "accept")
    assert (await do(bridge, number, kind, **fields)).status_code in (409, 422)
    assert (await read(bridge, number))["version"] == 2


async def test_what_the_state_forbids_is_said_in_chinese(bridge: Bridge, number: str) -> None:
    error = (await do(bridge, number, "resume")).json()["error"]
    assert error["message"].startswith("工单目前是“已登记，等待受理”，不能恢复办理；可以：受理、退回、")


async def test_only_a_complaint_can_turn_out_to_be_none(bridge: Bridge) -> None:
    number = (await bridge.file(nature="建议")).json()["ticket_no"]
    assert code(await do(bridge, number, "not_complaint", reason="x")) == (422, "event_invalid")


# Waiting for the customer


async def test_the_customer_reads_what_is_awaited(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "accept")
    before = await progress(bridge, number)
    ticket = await done(bridge, number, "wait", **{"for": "customer", "reason": "存单的照片。"})
    assert ticket["events"][-1]["audience"] == "customer"
    shown = await progress(bridge, number)
    assert "想请您补充：存单的照片。在这里说" in shown["state_text"]
    assert (shown["awaited"], shown["due_at"]) == ("存单的照片。", before["due_at"])


async def test_of_a_third_party_the_customer_reads_no_name(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "accept")
    ticket = await done(bridge, number, "wait", **{"for": "third_party", "reason": "某某公司的回单"})
    assert (ticket["awaited"], ticket["events"][-1]["audience"]) == ("某某公司的回单", "staff")
    shown = await progress(bridge, number)
    assert (shown["awaited"], "某某公司" in str(shown)) == (None, False)


async def test_words_that_nobody_says_are_refused_where_customers_read_them(bridge: Bridge, number: str) -> None:
    phrase = bridge.app.state.playbook.phrases.forbidden[0].phrases[0]
    await done(bridge, number, "accept")
    refused = await do(bridge, number, "wait", **{"for": "customer", "reason": f"{phrase}，请补材料"})
    assert code(refused) == (422, "event_invalid")
    await done(bridge, number, "wait", **{"for": "third_party", "reason": f"{phrase}，请补材料"})


@pytest.mark.parametrize("channel", ["the bot", "an agent", "filing again"])
async def test_the_customers_answer_ends_the_waiting(bridge: Bridge, number: str, channel: str) -> None:
    await done(bridge, number, "accept")
    await done(bridge, number, "wait", **{"for": "customer", "reason": "金额"})
    if channel == "the bot":
        told = await by_bot(bridge, number, type="comment", text="二十元", facts={"amount": "20"}, from_customer=True)
        assert told.json()["state"] == "investigating"
    elif channel == "an agent":
        await done(bridge, number, "comment", "agent", text="来电说是二十元", from_customer=True)
    else:
        assert (await bridge.file(amount="20")).json()["merged"]
    ticket = await read(bridge, number)
    assert (ticket["state"], ticket["awaited"], ticket["events"][-1]["type"]) == ("investigating", None, "resume")
    assert (await derived(bridge, number))[0] == "investigating"


async def test_a_note_among_staff_does_not_end_it(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "accept")
    await done(bridge, number, "wait", **{"for": "customer", "reason": "金额"})
    assert (await done(bridge, number, "comment", text="明天再催"))["state"] == "waiting_customer"
    assert (await bridge.file()).json()["state"] == "waiting_customer"  # nothing new was told


# Validity


@pytest.mark.parametrize("role", sorted({*STAFF_ROLES, "bot"}))
async def test_validity_is_the_back_offices(bridge: Bridge, number: str, role: str) -> None:
    if role == "bot":
        answer = await by_bot(bridge, number, type="assess", validity="有效")
    else:
        answer = await do(bridge, number, "assess", role, validity="有效")
    allowed = role in ("supervisor", "handler", "admin")
    assert answer.status_code == (201 if allowed else 403)
    assert (await read(bridge, number))["validity"] == ("有效" if allowed else None)
    filed = await bridge.file(phone="13900000001", validity="有效")
    assert filed.status_code == 422  # nor can it be told at filing


# Two people at once


async def test_a_decision_on_an_old_sight_hears_what_happened(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "accept", "supervisor", expected_version=1)
    refused = await do(bridge, number, "assign", owner="li", expected_version=1)
    error = refused.json()["error"]
    assert code(refused) == (409, "version_conflict")
    assert "key:supervisor 受理" in error["message"]
    assert error["details"]["version"] == 2
    assert [(one["seq"], one["type"]) for one in error["details"]["since"]] == [(2, "accept")]
    assert (await read(bridge, number))["version"] == 2


async def test_a_try_again_after_the_answer_was_lost_is_no_conflict(bridge: Bridge, number: str) -> None:
    headers = {**bridge.key("handler"), "Idempotency-Key": "click-1"}
    body = {"type": "extend", "days": 5, "reason": "调监控", "approver": "李经理", "expected_version": 1}
    for _ in range(2):
        answer = await bridge.http.post(f"/v1/tickets/{number}/events", json=body, headers=headers)
        assert (answer.status_code, answer.json()["extended_days"]) == (201, 5)


async def clicked_at_once(bridges: tuple[Bridge, ...], number: str, kind: str, **fields: Any) -> list[int]:
    answers = await asyncio.gather(*(do(bridges[at % len(bridges)], number, kind, **fields) for at in range(6)))
    return sorted(answer.status_code for answer in answers)


async def test_clicks_at_the_same_moment_count_once(bridge: Bridge, number: str) -> None:
    await once_each((bridge,), number)


async def once_each(bridges: tuple[Bridge, ...], number: str) -> None:
    """Also run by test_postgres with two processes."""
    bridge = bridges[0]
    assert await clicked_at_once(bridges, number, "accept") == [201] + [409] * 5
    extension = {"days": 5, "reason": "调监控", "approver": "李经理", "expected_version": 2}
    assert await clicked_at_once(bridges, number, "extend", **extension) == [201] + [409] * 5
    assert await clicked_at_once(bridges, number, "comment", text="同一时刻") == [201] * 6
    assert await clicked_at_once(bridges, number, "resolve", outcome="解释") == [201] + [409] * 5
    assert await clicked_at_once(bridges, number, "close") == [201] + [409] * 5
    assert await derived(bridge, number) == (State.CLOSED_EXPLAINED, list(range(1, 12)))
    ticket = await read(bridge, number)
    assert (ticket["extended_days"], ticket["version"]) == (5, 11)


# What the table itself takes


@pytest.mark.parametrize(
    "values",
    [
        {"state": "withdrawn"},
        {"state": "closed_resolved"},
        {"state": "accepted"},
        {"state": "proposed"},
        {"state": "waiting_customer"},
        {"state": "resolved"},
        {"closed_at": "created_at"},
        {"resolved_at": "created_at"},
        {"accepted_at": "created_at"},
        {"awaited": "x"},
        {"state": "merged", "closed_at": "created_at"},
        {"state": "closed_explained", "closed_at": "created_at", "resolved_at": "created_at", "outcome": "退费"},
    ],
)
async def test_a_row_that_contradicts_itself_is_not_kept(bridge: Bridge, number: str, values: dict[str, Any]) -> None:
    await contradict(bridge, number, values)


async def contradict(bridge: Bridge, number: str, values: dict[str, Any]) -> None:
    moments = {name: tickets.c[value] if value == "created_at" else value for name, value in values.items()}
    statement = update(tickets).where(tickets.c.ticket_no == number).values(moments)
    with pytest.raises(IntegrityError):
        await bridge.app.state.context.db.write(lambda connection: connection.execute(statement))
