"""What happens to a ticket after filing: who may do what, when, and what the thread remembers."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.api.conftest import Bridge


@pytest.fixture
async def number(bridge: Bridge) -> str:
    return str((await bridge.file()).json()["ticket_no"])


async def do(bridge: Bridge, number: str, kind: str, role: str = "handler", **fields: Any) -> httpx.Response:
    return await bridge.http.post(
        f"/v1/tickets/{number}/events", json={"type": kind, **fields}, headers=bridge.key(role)
    )


async def done(bridge: Bridge, number: str, kind: str, role: str = "handler", **fields: Any) -> dict[str, Any]:
    response = await do(bridge, number, kind, role, **fields)
    assert response.status_code == 201, response.text
    return dict(response.json())


async def test_a_ticket_goes_from_new_to_closed(bridge: Bridge, number: str) -> None:
    states = [
        (await done(bridge, number, "accept"))["state"],
        (await done(bridge, number, "contact", text="已电话联系"))["state"],
        (await done(bridge, number, "resolve", outcome="道歉", text="已当面致歉"))["state"],
        (await done(bridge, number, "close"))["state"],
    ]
    assert states == ["accepted", "accepted", "proposed", "closed_resolved"]


async def test_the_thread_names_who_did_what(bridge: Bridge, number: str) -> None:
    ticket = await done(bridge, number, "comment", "agent", text="客户又来电")
    event = ticket["events"][-1]
    assert (event["type"], event["actor"], event["data"]["text"]) == ("comment", "key:agent", "客户又来电")


async def test_what_the_state_forbids_names_what_it_allows(bridge: Bridge, number: str) -> None:
    refused = await do(bridge, number, "close")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (409, "event_not_allowed")
    assert error["details"]["state"] == "new"
    assert "accept" in error["details"]["allowed"]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("comment", {"text": "  "}),
        ("reject", {}),
        ("assign", {}),
        ("extend", {"days": 5, "reason": "需要调监控"}),
        ("merge", {"into": "TS1"}),
        ("correct", {}),
        ("correct", {"fields": {"state": "new"}}),
        ("correct", {"fields": {"cause_l1": "C77"}}),
        ("correct", {"fields": {"cause_l1": None}}),
        ("correct", {"fields": {"nature": None}}),
        ("correct", {"fields": {"nature": "随便"}}),
        ("correct", {"fields": {"request": "赔命"}}),
        ("correct", {"fields": {"amount": "很多钱"}}),
        ("correct", {"fields": {"branch": "长" * 65}}),
        ("review", {}),
        ("review", {"text": "不满意"}),
        ("comment", {"text": "补充", "facts": {"amount": "1"}}),
        ("create", {}),
        ("explode", {}),
    ],
)
async def test_an_event_without_what_it_needs_is_refused(
    bridge: Bridge, number: str, kind: str, fields: dict[str, Any]
) -> None:
    refused = await do(bridge, number, kind, **fields)
    assert refused.status_code in (403, 409, 422), refused.text
    unchanged = (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key())).json()
    assert [event["type"] for event in unchanged["events"]] == ["create"]


async def test_a_correction_keeps_the_old_value(bridge: Bridge, number: str) -> None:
    ticket = await done(bridge, number, "correct", "agent", fields={"branch": "YT002", "amount": "20.00"})
    assert (ticket["branch"], ticket["amount"]) == ("YT002", "20.00")
    assert ticket["events"][-1]["data"]["fields"]["branch"] == {"from": None, "to": "YT002"}


async def test_a_corrected_time_takes_the_old_one_along(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "correct", fields={"event_time": "2026-11-20", "event_time_text": "上周五"})
    ticket = await done(bridge, number, "correct", fields={"event_time": None, "event_time_text": "那阵子"})
    assert (ticket["event_time"], ticket["event_time_text"]) == (None, "那阵子")


async def test_a_corrected_phone_is_the_one_that_counts(bridge: Bridge, number: str) -> None:
    ticket = await done(bridge, number, "correct", "agent", fields={"phone": "+86 139-0000-0007"})
    assert ticket["phone"] == "13900000007"
    assert ticket["events"][-1]["data"]["fields"]["phone"]["to"] == "139****0007"
    found = await bridge.http.get("/v1/tickets", params={"q": "13900000007"}, headers=bridge.key())
    assert [one["ticket_no"] for one in found.json()["tickets"]] == [number]


async def test_a_refusal_goes_back_to_the_unit_that_is_always_responsible(bridge: Bridge, number: str) -> None:
    ticket = await done(bridge, number, "reject", reason="不属于本网点")
    assert (ticket["state"], ticket["route"]) == ("new", "消费者权益保护部")


async def test_an_extension_moves_the_date_and_ends_at_sixty_days(bridge: Bridge, number: str) -> None:
    ticket = await done(bridge, number, "extend", days=30, reason="需要调监控", approver="李经理")
    assert ticket["extended_days"] == 30
    refused = await do(bridge, number, "extend", days=30, reason="还要", approver="李经理")
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "event_invalid")


async def test_merging_ends_one_ticket_and_tells_the_other(bridge: Bridge, number: str) -> None:
    other = (await bridge.file(phone="13900000002")).json()["ticket_no"]
    merged = await done(bridge, other, "merge", into=number)
    assert (merged["state"], merged["parent_ticket"]) == ("merged", number)
    kept = (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key())).json()
    assert kept["events"][-1]["data"]["from"] == other


async def test_a_withdrawn_ticket_can_be_opened_again(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "withdraw")
    ticket = await done(bridge, number, "reopen", reason="客户改变主意")
    assert (ticket["state"], ticket["withdrawn_at"], ticket["reopened"]) == ("new", None, 1)


async def test_the_same_event_key_happens_once(bridge: Bridge, number: str) -> None:
    headers = {**bridge.internal, "Idempotency-Key": "turn-1"}
    for _ in range(2):
        answer = await bridge.http.post(
            f"/v1/tickets/{number}/events", json={"type": "comment", "text": "补充：下午三点"}, headers=headers
        )
        assert answer.status_code == 201
    ticket = (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key())).json()
    assert [event["type"] for event in ticket["events"]] == ["create", "comment"]


async def test_the_bot_withdraws_only_with_the_right_tail(bridge: Bridge, number: str) -> None:
    address = f"/v1/tickets/{number}/events"
    wrong = await bridge.http.post(address, json={"type": "withdraw", "phone_tail": "1111"}, headers=bridge.internal)
    right = await bridge.http.post(address, json={"type": "withdraw", "phone_tail": "8000"}, headers=bridge.internal)
    assert (wrong.status_code, right.status_code) == (404, 201)
    assert right.json()["state"] == "withdrawn"
    assert "narrative_raw" not in right.json()


async def test_a_withdrawal_ends_the_case_the_same_day(bridge: Bridge, number: str) -> None:
    ticket = await done(bridge, number, "withdraw")
    assert ticket["closed_at"] == ticket["withdrawn_at"] == ticket["updated_at"]
    assert ticket["events"][-1]["audience"] == "customer"


# Urging


async def by_bot(bridge: Bridge, number: str, **event: Any) -> httpx.Response:
    return await bridge.http.post(f"/v1/tickets/{number}/events", json=event, headers=bridge.internal)


@pytest.mark.parametrize("role", ["bot", "agent", "handler"])
async def test_urging_counts_and_changes_nothing_else(bridge: Bridge, number: str, role: str) -> None:
    before = (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key())).json()
    for text in ("怎么还没人联系我", None):
        if role == "bot":
            assert (await by_bot(bridge, number, type="urge", text=text, from_customer=True)).status_code == 201
        else:
            await done(bridge, number, "urge", role, text=text)
    after = (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key())).json()
    assert (after["urged_count"], after["state"], after["due_at"]) == (2, "new", before["due_at"])
    assert [(event["type"], event["audience"]) for event in after["events"][1:]] == [("urge", "customer")] * 2
    assert [event["data"]["count"] for event in after["events"][1:]] == [1, 2]


async def test_urging_reaches_the_outbox(bridge: Bridge, number: str) -> None:
    await by_bot(bridge, number, type="urge")
    rows = await bridge.app.state.context.db.read(
        lambda connection: connection.exec_driver_sql("SELECT type, state FROM outbox ORDER BY id").all()
    )
    assert [tuple(row) for row in rows] == [("ticket.create", "new"), ("ticket.urge", "new")]


async def test_an_auditor_urges_nobody(bridge: Bridge, number: str) -> None:
    assert (await do(bridge, number, "urge", "auditor")).status_code == 403


async def test_what_is_answered_cannot_be_urged_but_reviewed(bridge: Bridge, number: str) -> None:
    await done(bridge, number, "accept")
    await done(bridge, number, "resolve", outcome="解释")
    refused = await by_bot(bridge, number, type="urge")
    allowed = refused.json()["error"]["details"]["allowed"]
    assert (refused.status_code, "review" in allowed, "urge" in allowed) == (409, True, False)


# Review


async def answered(bridge: Bridge, number: str, *, close: bool) -> dict[str, Any]:
    await done(bridge, number, "accept")
    ticket = await done(bridge, number, "resolve", outcome="解释")
    return await done(bridge, number, "close") if close else ticket


@pytest.mark.parametrize("state", ["new", "accepted", "withdrawn"])
async def test_only_an_answer_can_be_reviewed(bridge: Bridge, number: str, state: str) -> None:
    if state != "new":
        await done(bridge, number, {"accepted": "accept", "withdrawn": "withdraw"}[state])
    refused = await by_bot(bridge, number, type="review", text="不满意")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "event_not_allowed")
    assert refused.json()["error"]["details"]["state"] == state


async def test_a_review_needs_words(bridge: Bridge, number: str) -> None:
    await answered(bridge, number, close=False)
    refused = await by_bot(bridge, number, type="review", text=" ")
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "event_invalid")


@pytest.mark.parametrize("close", [False, True], ids=["resolved", "closed"])
async def test_a_review_opens_the_case_again(bridge: Bridge, number: str, close: bool) -> None:
    before = await answered(bridge, number, close=close)
    bridge.app.state.context.clock._offset += timedelta(days=20)
    told = await by_bot(bridge, number, type="review", text="没有解决我的问题", from_customer=True)
    assert (told.status_code, told.json()["state"], told.json()["clock_restarted"]) == (201, "accepted", True)
    assert told.json()["state_text"] == "您的核查申请已收到，正在重新核查。"
    after = (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key())).json()
    assert (after["resolved_at"], after["closed_at"], after["overdue"]) == (None, None, False)
    assert not any(clock["overdue"] for clock in after["clocks"])
    assert after["due_at"] > before["due_at"]
    assert after["clock_basis"].startswith("15日：本行约定（客户申请核查）")
    (review,) = after["promises"]
    assert (review["kind"], review["due_at"], review["met_at"]) == ("review", after["due_at"], None)
    assert after["review_requested_at"] == after["updated_at"]


async def test_another_answer_keeps_the_promise_of_a_review(bridge: Bridge, number: str) -> None:
    await answered(bridge, number, close=True)
    await by_bot(bridge, number, type="review", text="没有解决我的问题")
    ticket = await done(bridge, number, "resolve", outcome="退费")
    assert [promise["met_at"] is not None for promise in ticket["promises"]] == [True]
