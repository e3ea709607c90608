"""Filing, listing and reading tickets."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Bridge


async def filed(bridge: Bridge, **body: Any) -> str:
    """The number of a new ticket; give each a phone of its own, or it joins the one before."""
    response = await bridge.file(**body)
    assert response.status_code == 201, response.text
    return str(response.json()["ticket_no"])


async def listed(bridge: Bridge, role: str = "supervisor", **filters: Any) -> list[str]:
    page = await bridge.http.get("/v1/tickets", params=filters, headers=bridge.key(role))
    assert page.status_code == 200, page.text
    return [ticket["ticket_no"] for ticket in page.json()["tickets"]]


async def read(bridge: Bridge, number: str, role: str = "supervisor") -> dict[str, Any]:
    response = await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key(role))
    assert response.status_code == 200, response.text
    return dict(response.json())


# Filing


async def test_filing_tells_the_number_and_the_two_dates(bridge: Bridge) -> None:
    told = (await bridge.file()).json()
    assert told["ticket_no"].startswith("TS")
    assert [clock["kind"] for clock in told["clocks"]] == ["first_contact", "decision"]
    assert told["due_at"].endswith("+08:00")


async def test_the_same_key_and_body_is_the_same_ticket(bridge: Bridge) -> None:
    first, again = await bridge.file(key="k-1"), await bridge.file(key="k-1")
    assert again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(await listed(bridge)) == 1


async def test_the_same_key_at_the_same_moment_is_one_ticket(bridge: Bridge) -> None:
    answers = await asyncio.gather(*(bridge.file(key="k-1") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["ticket_no"] for answer in answers}) == 1
    (number,) = await listed(bridge)
    assert [event["type"] for event in (await read(bridge, number))["events"]] == ["create"]


async def test_the_same_key_with_another_body_is_a_conflict(bridge: Bridge) -> None:
    number = await filed(bridge, key="k-1")
    refused = await bridge.file(key="k-1", narrative_raw="另一件事")
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "idempotency_conflict"
    assert refused.json()["error"]["details"] == {"ticket_no": number}
    assert await listed(bridge) == [number]


async def test_keys_of_different_callers_do_not_meet(bridge: Bridge) -> None:
    first = await bridge.file(key="k-1", headers=bridge.key("agent"), phone="13900000001")
    other = await bridge.file(key="k-1", headers=bridge.key("handler"), phone="13900000002")
    assert first.json()["ticket_no"] != other.json()["ticket_no"]


@pytest.mark.parametrize("key", [None, "", "k" * 256], ids=["missing", "empty", "too long"])
async def test_a_key_is_required(bridge: Bridge, key: str | None) -> None:
    headers = bridge.internal if key is None else {**bridge.internal, "Idempotency-Key": key}
    refused = await bridge.http.post("/v1/tickets", json={"narrative_raw": "x"}, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_key_required")


async def test_a_refused_body_does_not_use_up_its_key(bridge: Bridge) -> None:
    assert (await bridge.file(key="k-1", level=9)).status_code == 422
    assert (await bridge.file(key="k-1", level=2)).status_code == 201


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("narrative_raw", "", "至少 1 个字"),
        ("narrative_raw", None, "应为文字"),
        ("level", 5, "不能大于 4"),
        ("amount", "很多钱", "格式不对"),
        ("request", "赔命", "只能是"),
        ("phone", "1" * 33, "最多 32 个字"),
        ("surprise", 1, "没有这一项"),
        ("customer_type", "外星人", "只能是"),
        ("agent_kind", "朋友", "只能是"),
        ("authorization", "maybe", "只能是"),
        ("missing_fields", ["branch"] * 51, "最多 50 项"),
        ("level_course", [0] * 1001, "最多 1000 项"),
    ],
)
async def test_what_is_wrong_is_named(bridge: Bridge, field: str, value: Any, reason: str) -> None:
    refused = await bridge.file(**{field: value})
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (422, "invalid_request")
    (detail,) = error["details"]
    assert detail["field"] == field
    assert detail["message"].startswith(reason)


@pytest.mark.parametrize(
    "field",
    [
        "cause_l2",
        "cause_secondary",
        "conversation_id",
        "branch",
        "branch_name",
        "product",
        "event_time",
        "name",
        "business_category",
        "business_channel",
        "incident_id",
    ],
)
async def test_what_is_too_long_to_keep_is_refused(bridge: Bridge, field: str) -> None:
    """PostgreSQL holds columns to their length, where SQLite would let it pass."""
    refused = await bridge.file(**{field: "长" * 300})
    assert (refused.status_code, refused.json()["error"]["details"][0]["field"]) == (422, field)


@pytest.mark.parametrize(
    "body",
    [
        {"level_course": [1, 5]},
        {"explanation_levels": {"X01": 7}},
        {"explanation_levels": {"长" * 65: 1}},
        {"missing_fields": ["长" * 33]},
        {"sources": {"branch": {"source": "guessed", "confidence": 0.5}}},
        {"sources": {"branch": {"source": "said", "confidence": 2}}},
        {"sources": {"长" * 33: {"source": "said", "confidence": 1}}},
    ],
)
async def test_what_is_wrong_inside_is_refused(bridge: Bridge, body: dict[str, Any]) -> None:
    refused = await bridge.file(**body)
    (field,) = body
    assert refused.status_code == 422
    assert refused.json()["error"]["details"][0]["field"].startswith(field)


async def test_an_unknown_cause_becomes_other(bridge: Bridge) -> None:
    ticket = await read(bridge, await filed(bridge, cause_l1="C77"))
    assert ticket["cause_l1"] == "C99"


async def test_the_bridges_clock_counts_and_not_the_callers(bridge: Bridge) -> None:
    ticket = await read(bridge, await filed(bridge, created_at="2020-01-01T00:00:00+08:00"))
    assert not ticket["created_at"].startswith("2020")


@pytest.mark.parametrize(
    ("body", "route"),
    [
        ({"cause_l1": "C5"}, "网点负责人"),
        ({"cause_l1": "C6", "cause_l2": "C6a"}, "升级投诉受理小组"),
        ({"cause_l1": "C5", "level": 3}, "消费者权益保护部"),
        ({"cause_l1": "C5", "level": 1, "level_peak": 4}, "应急领导小组"),
        ({"cause_l1": None}, "消费者权益保护部"),
    ],
    ids=["cause", "detail before cause", "level before cause", "the peak counts", "nothing known"],
)
async def test_a_ticket_goes_where_the_playbook_says(bridge: Bridge, body: dict[str, Any], route: str) -> None:
    assert (await bridge.file(**body)).json()["route"] == route


# The same matter again


async def test_the_same_matter_again_joins_the_open_ticket(bridge: Bridge) -> None:
    number = await filed(bridge)
    again = await bridge.file(narrative_raw="怎么还没人联系我", level=2)
    assert (again.status_code, again.json()["merged"], again.json()["ticket_no"]) == (200, True, number)
    ticket = await read(bridge, number)
    assert (ticket["repeat_count"], ticket["level_peak"]) == (1, 2)
    assert ticket["events"][-1]["data"]["narrative_raw"] == "怎么还没人联系我"


async def test_joining_does_not_start_the_clock_again(bridge: Bridge) -> None:
    first, again = await bridge.file(), await bridge.file(narrative_raw="还是那件事")
    assert again.json()["due_at"] == first.json()["due_at"]


@pytest.mark.parametrize(
    "other", [{"phone": "13900000009"}, {"cause_l1": "C6"}, {"branch": "YT002"}], ids=["phone", "cause", "branch"]
)
async def test_another_matter_is_another_ticket(bridge: Bridge, other: dict[str, Any]) -> None:
    await filed(bridge, branch="YT001")
    assert (await bridge.file(**{"branch": "YT001", **other})).status_code == 201


async def test_nobody_without_a_phone_is_joined(bridge: Bridge) -> None:
    assert [(await bridge.file(phone=None)).status_code for _ in range(2)] == [201, 201]


# Lists


async def test_the_list_has_the_newest_first(bridge: Bridge) -> None:
    numbers = [await filed(bridge, phone=f"1390000000{n}") for n in range(3)]
    assert await listed(bridge) == numbers[::-1]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, {"plain", "angry", "machine"}),
        ({"cause": "C6"}, {"machine"}),
        ({"cause": "C6a"}, {"machine"}),
        ({"level_min": 2}, {"angry"}),
        ({"route": "网点负责人"}, {"plain"}),
        ({"state": "new"}, {"plain", "angry", "machine"}),
        ({"state": "closed_resolved"}, set()),
        ({"overdue": "true"}, set()),
        ({"overdue": "false"}, {"plain", "angry", "machine"}),
        ({"q": "13900000002"}, {"angry"}),
        ({"q": "+86 139 0000 0002"}, {"angry"}),
        ({"q": "城东"}, {"plain"}),
        ({"q": "城西"}, set()),
        ({"cause": "C5", "level_min": 2}, {"angry"}),
    ],
)
async def test_filters(bridge: Bridge, filters: dict[str, Any], expected: set[str]) -> None:
    numbers = {
        "plain": await filed(bridge, phone="13900000001", branch="YT002", branch_name="城东支行"),
        "angry": await filed(bridge, phone="13900000002", level=3),
        "machine": await filed(bridge, phone="13900000003", cause_l1="C6", cause_l2="C6a"),
    }
    assert set(await listed(bridge, **filters)) == {numbers[name] for name in expected}


@pytest.mark.parametrize(
    "filters",
    [{"state": "gone"}, {"cause": "x"}, {"level_min": 7}, {"limit": 0}, {"limit": 201}, {"cursor": "made-up"}],
    ids=lambda filters: next(iter(filters)),
)
async def test_a_wrong_filter_is_refused(bridge: Bridge, filters: dict[str, Any]) -> None:
    refused = await bridge.http.get("/v1/tickets", params=filters, headers=bridge.key())
    assert refused.status_code == 422
    assert set(refused.json()["error"]) == {"code", "message", "details"}


async def test_pages_hold_every_ticket_once_while_new_ones_arrive(bridge: Bridge) -> None:
    numbers = [await filed(bridge, phone=f"1390000000{n}") for n in range(5)]
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await bridge.http.get("/v1/tickets", params={"limit": 2, **cursor}, headers=bridge.key())).json()
        found += [ticket["ticket_no"] for ticket in page["tickets"]]
        await filed(bridge, phone=f"1380000000{len(found)}")
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == numbers[::-1]


async def test_lists_show_the_phone_masked(bridge: Bridge) -> None:
    await filed(bridge)
    page = await bridge.http.get("/v1/tickets", headers=bridge.key())
    assert page.json()["tickets"][0]["phone"] == "138****8000"
    assert "13800138000" not in page.text


# One ticket


@pytest.mark.only_on("sqlite", reason="it is about the body")
@pytest.mark.parametrize(
    ("sent", "kept"), [(20, "20.00"), (20.5, "20.50"), ("20", "20"), (0.005, None), (True, None), (-1, None)]
)
async def test_an_amount_may_be_a_number(bridge: Bridge, sent: Any, kept: str | None) -> None:
    response = await bridge.file(amount=sent)
    assert response.status_code == (201 if kept else 422)
    if kept:
        assert (await read(bridge, response.json()["ticket_no"]))["amount"] == kept


async def test_a_ticket_has_its_fields_clocks_and_thread(bridge: Bridge) -> None:
    ticket = await read(bridge, await filed(bridge, level=1, level_peak=2, request="道歉", amount="100.50"))
    assert (ticket["level"], ticket["level_peak"], ticket["request"], ticket["amount"]) == (1, 2, "道歉", "100.50")
    assert ticket["phone"] == ticket["contact"] == "13800138000"
    assert [clock["kind"] for clock in ticket["clocks"]] == ["first_contact", "decision", "service"]
    assert [(event["seq"], event["type"], event["actor"]) for event in ticket["events"]] == [(1, "create", "bot")]


WHOLE_DRAFT = {
    "customer_type": "对公",
    "anonymous": True,
    "is_agent": True,
    "agent_kind": "heir",
    "authorization": "none",
    "representative_count": 6,
    "business_category": "个人贷款",
    "business_channel": "营业网点",
    "incident_id": "SJ20261125001",
    "level_course": [0, 2, 1],
    "explanation_levels": {"X01": 2, "X02": 1},
    "missing_fields": ["product", "amount"],
    "sources": {"branch": {"source": "inferred", "confidence": 0.4}},
}


async def test_a_ticket_keeps_how_its_draft_came_about(bridge: Bridge) -> None:
    ticket = await read(bridge, await filed(bridge, **WHOLE_DRAFT))
    assert {name: ticket[name] for name in WHOLE_DRAFT} == WHOLE_DRAFT


async def test_a_ticket_without_them_has_them_empty(bridge: Bridge) -> None:
    ticket = await read(bridge, await filed(bridge))
    assert {name: ticket[name] for name in WHOLE_DRAFT if ticket[name]} == {}
    assert (ticket["promises"], ticket["clock_started_at"]) == ([], ticket["created_at"])


async def test_a_number_is_found_as_people_type_it(bridge: Bridge) -> None:
    number = await filed(bridge)
    assert (await read(bridge, f" {number[:2].lower()} {number[2:]}"))["ticket_no"] == number


async def test_an_unknown_number_is_not_found(bridge: Bridge) -> None:
    missing = await bridge.http.get("/v1/tickets/TS2026010100018", headers=bridge.key())
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "ticket_not_found")


async def test_the_export_is_a_table_without_formulas(bridge: Bridge) -> None:
    number = await filed(bridge, branch_name="=1+1")
    export = await bridge.http.get("/v1/tickets/export", headers=bridge.key("auditor"))
    header, row = export.text.removeprefix("\ufeff").splitlines()
    assert header.startswith("工单号,")
    assert row.startswith(number)
    assert ",'=1+1," in row


# The customer's own view


async def test_the_owner_of_number_and_phone_sees_progress(bridge: Bridge) -> None:
    number = await filed(bridge)
    shown = await bridge.http.get(f"/v1/public/tickets/{number}", params={"phone_tail": "8000"})
    assert shown.status_code == 200
    assert shown.json()["state_text"] == "您的投诉已登记，正在等待承办部门受理。"
    assert "柜员" not in shown.text


async def test_progress_counts_the_days_from_receipt(bridge: Bridge) -> None:
    number = await filed(bridge)
    clock, seen = bridge.app.state.context.clock, []
    for _ in range(3):
        shown = await bridge.http.get(f"/v1/public/tickets/{number}", params={"phone_tail": "8000"})
        seen.append(shown.json()["days"])
        clock._offset += timedelta(days=1)
    assert seen == [1, 2, 3]


async def test_progress_names_what_happened_to_the_term(bridge: Bridge) -> None:
    number = await filed(bridge)
    address, key = f"/v1/tickets/{number}/events", bridge.key("handler")
    extension = {"type": "extend", "days": 10, "reason": "需要调取监控", "approver": "李经理"}
    for event in (extension, {"type": "urge"}, {"type": "urge", "text": "快一点"}):
        assert (await bridge.http.post(address, json=event, headers=key)).status_code == 201
    shown = (await bridge.http.get(f"/v1/public/tickets/{number}", params={"phone_tail": "8000"})).json()
    assert (shown["nature"], shown["extended_days"], shown["urged_count"]) == ("投诉", 10, 2)
    assert shown["extension_reason"] == "需要调取监控"
    assert "李经理" not in str(shown)


async def test_a_wrong_tail_and_an_unknown_number_look_the_same(bridge: Bridge) -> None:
    number = await filed(bridge)
    wrong = await bridge.http.get(f"/v1/public/tickets/{number}", params={"phone_tail": "1234"})
    unknown = await bridge.http.get("/v1/public/tickets/TS2026010100018", params={"phone_tail": "1234"})
    assert (wrong.status_code, wrong.content) == (unknown.status_code, unknown.content)


async def test_tails_cannot_be_tried_out(bridge: Bridge) -> None:
    number = await filed(bridge)
    address = f"/v1/public/tickets/{number}"
    tries = [(await bridge.http.get(address, params={"phone_tail": f"{n:04}"})).status_code for n in range(10)]
    right = await bridge.http.get(address, params={"phone_tail": "8000"})
    assert set(tries) == {404}
    assert right.status_code == 429
    assert right.headers["Retry-After"] == "600"
