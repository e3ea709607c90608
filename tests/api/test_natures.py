"""What is no complaint goes another way, runs by our own promise, and is spoken of by its own name."""

from typing import Any

import pytest

from api.core.security import Role
from api.desk.staff import add
from api.tickets.lifecycle import State
from api.tickets.views import plain_state
from tests.api.conftest import Bridge
from tests.api.test_staff import code, login
from tests.api.test_ticket_events import done
from tests.api.test_tickets import filed, listed, read

TIP_UNIT = "内控合规部（纪检）"


async def staff_of(bridge: Bridge, unit: str) -> None:
    """From here on the test's client is a handler of this unit."""
    context = bridge.app.state.context
    account = {"username": "jingban", "role": Role.HANDLER, "password": "long-enough-1", "unit": unit}
    await context.db.write(lambda connection: add(connection, **account, now=context.clock.now()))
    await login(bridge, "jingban", "long-enough-1")


@pytest.mark.parametrize(
    ("body", "route", "copied", "restricted"),
    [
        ({"nature": "表扬", "cause_l1": "C7"}, "人力资源部（服务监督）", ["网点负责人"], False),
        ({"nature": "建议", "cause_l1": "C3"}, "优质服务小组", ["运营部"], False),
        ({"nature": "意见", "cause_l1": None}, "优质服务小组", ["运营部"], False),
        ({"nature": "咨询", "cause_l1": "C5"}, "网点负责人", ["运营部"], False),
        ({"nature": "建议", "level": 3}, "消费者权益保护部", ["综合部", "办公室"], False),
        ({"nature": "建议", "cause_l1": "C8"}, TIP_UNIT, [], True),
        ({"nature": "投诉", "cause_l1": "C8", "level": 3}, "消费者权益保护部", ["综合部", "办公室"], True),
        ({"nature": "举报", "cause_l1": "C1"}, TIP_UNIT, [], True),
        ({"nature": "举报", "cause_l1": "C7", "level": 3}, TIP_UNIT, [], True),
        ({"nature": "举报", "cause_l1": "C8", "level": 4}, TIP_UNIT, [], True),
        ({"nature": "举报", "cause_l1": None}, TIP_UNIT, [], True),
    ],
    ids=[
        "praise",
        "a suggestion",
        "an opinion without cause",
        "a question goes by its cause",
        "level before an open nature",
        "a suggestion about misconduct stays sealed",
        "an angry complaint about misconduct stays sealed",
        "a tip whatever its cause",
        "a tip whatever its level",
        "a tip in danger",
        "a tip about nothing known",
    ],
)
async def test_the_way_of_each_nature(
    bridge: Bridge, body: dict[str, Any], route: str, copied: list[str], restricted: bool
) -> None:
    ticket = await read(bridge, await filed(bridge, **body))
    assert (ticket["route"], ticket["copied"], ticket["restricted"]) == (route, copied, restricted)


# A tip is sealed


@pytest.mark.parametrize("unit", ["网点负责人", "消费者权益保护部", "人力资源部（服务监督）"])
@pytest.mark.parametrize("level", [1, 3])
async def test_a_handler_of_another_unit_does_not_see_a_tip(bridge: Bridge, unit: str, level: int) -> None:
    number = await filed(bridge, nature="举报", cause_l1="C7", level=level)
    await staff_of(bridge, unit)
    assert code(await bridge.http.get(f"/v1/tickets/{number}")) == (404, "ticket_not_found")
    assert (await bridge.http.get("/v1/tickets")).json()["tickets"] == []
    comment = {"type": "comment", "text": "我看看"}
    refused = await bridge.http.post(f"/v1/tickets/{number}/events", json=comment)
    assert code(refused) == (404, "ticket_not_found")


async def test_the_unit_of_tips_sees_them(bridge: Bridge) -> None:
    number = await filed(bridge, nature="举报", cause_l1="C7", level=3)
    await staff_of(bridge, TIP_UNIT)
    assert (await bridge.http.get(f"/v1/tickets/{number}")).status_code == 200


async def test_what_turns_out_to_be_a_tip_leaves_whoever_had_it(bridge: Bridge) -> None:
    number = await filed(bridge, cause_l1="C7")
    await done(bridge, number, "accept", owner="wang")
    ticket = await done(bridge, number, "correct", "supervisor", fields={"nature": "举报"})
    assert (ticket["route"], ticket["owner"], ticket["restricted"]) == (TIP_UNIT, None, True)
    assert ticket["events"][-1]["data"]["fields"]["nature"] == {"from": "投诉", "to": "举报"}
    await staff_of(bridge, "人力资源部（服务监督）")
    assert code(await bridge.http.get(f"/v1/tickets/{number}")) == (404, "ticket_not_found")


async def test_a_tip_does_not_join_the_complaint_that_others_read(bridge: Bridge) -> None:
    complaint = await filed(bridge, cause_l1="C7")
    tip = await bridge.file(nature="举报", cause_l1="C7", narrative_raw="我要举报这个人收回扣")
    assert (tip.status_code, tip.json()["merged"]) == (201, False)
    assert "回扣" not in str(await read(bridge, complaint))


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("投诉", "咨询", 200),
        ("投诉", "建议", 200),
        ("建议", "建议", 200),
        ("咨询", "投诉", 201),
        ("举报", "投诉", 201),
        ("投诉", "表扬", 201),
        ("举报", "举报", 200),
    ],
    ids=[
        "a question about a complaint",
        "a suggestion on top of it",
        "the same suggestion",
        "a complaint is not lost in a question",
        "nor in a tip",
        "praise is no repetition",
        "the same tip",
    ],
)
async def test_which_natures_are_the_same_matter(bridge: Bridge, first: str, second: str, status: int) -> None:
    await filed(bridge, nature=first)
    assert (await bridge.file(nature=second, narrative_raw="还有一句")).status_code == status


# Misconduct is sealed wherever it is told

TOLD = [
    {"cause_l1": "C3", "cause_secondary": "C8c"},
    {"cause_l1": "C3", "cause_l2": "C8c"},
    {"cause_l1": "C3", "cause_l2": "C3a", "cause_secondary": "C8"},
]


@pytest.mark.parametrize("told", TOLD)
async def test_misconduct_is_sealed_as_the_second_cause_too(bridge: Bridge, told: dict[str, str]) -> None:
    ticket = await read(bridge, await filed(bridge, headers=bridge.key(), **told))
    assert (ticket["restricted"], ticket["route"], ticket["copied"]) == (True, TIP_UNIT, [])
    assert ticket["recused_units"] == ["网点负责人"]
    await staff_of(bridge, "网点负责人")
    assert code(await bridge.http.get(f"/v1/tickets/{ticket['ticket_no']}")) == (404, "ticket_not_found")


async def test_a_second_guess_of_the_bot_seals_nothing_until_somebody_has_looked(bridge: Bridge) -> None:
    ticket = await read(bridge, await filed(bridge, cause_l1="C3", cause_secondary="C8c"))
    assert (ticket["restricted"], ticket["recused_units"], ticket["cause_secondary"]) == (False, [], "C8c")
    ticket = await corrected(bridge, ticket["ticket_no"], {"cause_l2": "C3a"})
    assert (ticket["restricted"], ticket["route"]) == (True, TIP_UNIT)


async def guesses(bridge: Bridge, role: str = "supervisor") -> list[dict[str, Any]]:
    found = (await bridge.http.get("/v1/notices", headers=bridge.key(role))).json()["notices"]
    return [one for one in found if one["kind"] == "check_cause"]


@pytest.mark.parametrize("told", [{"cause_l1": "C3"}, {"cause_l1": "C5", "cause_l2": "C5a", "level": 3}])
async def test_somebody_is_asked_to_look_at_such_a_guess(bridge: Bridge, told: dict[str, Any]) -> None:
    """Once a day, however often the customer comes back, and in words that accuse nobody."""
    number = await filed(bridge, **told, cause_secondary="C8c")
    again = await bridge.file(**told, cause_secondary="C8c", narrative_raw="还有一句")
    assert again.json()["merged"]
    (page,) = await guesses(bridge)
    assert (page["ticket_no"], page["to_unit"], page["level"]) == (number, "消费者权益保护部", 2)
    assert not [word for word in ("违规", "员工", "C8", "举报", "新反映") if word in page["text"]]
    await corrected(bridge, number, {"cause_secondary": None})
    await staff_of(bridge, "科技信息部")
    assert (await bridge.http.get("/v1/notices")).json()["notices"] == []


async def test_a_guess_that_comes_with_a_repeat_is_looked_at_too(bridge: Bridge) -> None:
    number = await filed(bridge, cause_l1="C3")
    assert await guesses(bridge) == []
    await corrected(bridge, number, {"cause_secondary": "C1"})
    assert (await bridge.file(cause_l1="C3", cause_secondary="C8c", narrative_raw="还有一句")).json()["merged"]
    (page,) = await guesses(bridge)
    assert page["ticket_no"] == number
    assert "新反映" in page["text"], "the ticket's own second cause was somebody's word"


@pytest.mark.parametrize(
    "told",
    [
        {"cause_l1": "C3", "cause_secondary": "C1"},
        {"cause_l1": "C8", "cause_secondary": "C8c"},
        {"cause_l1": "C3", "cause_secondary": "C8c", "nature": "举报"},
    ],
)
async def test_nobody_is_asked_where_a_guess_would_seal_nothing_more(bridge: Bridge, told: dict[str, Any]) -> None:
    await filed(bridge, **told)
    assert await guesses(bridge, "admin") == []


async def test_what_staff_say_is_no_guess(bridge: Bridge) -> None:
    await filed(bridge, headers=bridge.key(), cause_l1="C3", cause_secondary="C8c")
    assert await guesses(bridge, "admin") == []


async def test_a_guess_is_no_more_when_its_repeat_is_taken_out(bridge: Bridge) -> None:
    """Whoever takes it out has not looked at its causes."""
    number = await filed(bridge, cause_l1="C3")
    assert (await bridge.file(cause_l1="C3", cause_secondary="C8c", narrative_raw="还有一句")).json()["merged"]
    entry = next(one for one in (await read(bridge, number))["events"] if one["type"] == "merge")
    parent = await done(bridge, number, "split", "supervisor", reason="另一件事", entry=entry["seq"])
    child = await read(bridge, parent["events"][-1]["data"]["ticket_no"])
    assert (child["restricted"], child["cause_secondary"], child["classified_by"]) == (False, "C8c", "internal")
    assert {one["ticket_no"] for one in await guesses(bridge)} == {number, child["ticket_no"]}
    ticket = await corrected(bridge, child["ticket_no"], {"cause_l2": "C3a"})
    assert (ticket["restricted"], ticket["route"]) == (True, TIP_UNIT)


@pytest.mark.parametrize("fields", [{"cause_l2": "C8c"}, {"cause_secondary": "C8c"}])
async def test_misconduct_that_turns_out_later_is_sealed(bridge: Bridge, fields: dict[str, str]) -> None:
    number = await filed(bridge, cause_l1="C3", cause_l2="C3a")
    await done(bridge, number, "accept", owner="wang")
    ticket = await corrected(bridge, number, fields)
    assert (ticket["restricted"], ticket["route"], ticket["owner"], ticket["copied"]) == (True, TIP_UNIT, None, [])
    assert ticket["cause_l1"] == ("C8" if "cause_l2" in fields else "C3")


async def corrected(bridge: Bridge, number: str, fields: dict[str, str | None]) -> dict[str, Any]:
    return await done(bridge, number, "correct", "supervisor", fields=fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"cause_l1": "C3"},
        {"cause_l1": "C3", "cause_l2": "C8c"},
        {"cause_l2": "C3a", "cause_l1": "C8"},
        {"cause_l2": "C8z"},
        {"cause_secondary": "C77"},
    ],
)
async def test_no_detail_stays_under_another_cause(bridge: Bridge, fields: dict[str, str]) -> None:
    number = await filed(bridge, cause_l1="C8", cause_l2="C8c")
    event = {"type": "correct", "fields": fields}
    refused = await bridge.http.post(f"/v1/tickets/{number}/events", json=event, headers=bridge.key("supervisor"))
    assert code(refused) == (422, "event_invalid")
    ticket = await read(bridge, number)
    assert (ticket["restricted"], ticket["cause_l1"], ticket["cause_l2"]) == (True, "C8", "C8c")


async def test_the_seal_ends_when_nothing_told_is_misconduct(bridge: Bridge) -> None:
    number = await filed(bridge, cause_l1="C8", cause_l2="C8c", cause_secondary="C8a")
    ticket = await corrected(bridge, number, {"cause_l1": "C3", "cause_l2": None})
    assert ticket["restricted"]
    ticket = await corrected(bridge, number, {"cause_secondary": None})
    assert not ticket["restricted"]
    assert set(ticket["events"][-2]["data"]["fields"]) == {"cause_l1", "cause_l2"}


async def test_a_second_cause_about_the_branchs_people_keeps_the_branch_away(bridge: Bridge) -> None:
    ticket = await read(bridge, await filed(bridge, headers=bridge.key(), cause_l1="C5", cause_secondary="C7a"))
    assert (ticket["route"], ticket["recused_units"]) == ("人力资源部（服务监督）", ["网点负责人"])
    assert ticket["copied"] == ["网点负责人"]


async def test_a_sealed_repeat_that_is_taken_out_stays_sealed(bridge: Bridge) -> None:
    told = {"cause_l1": "C3", "cause_secondary": "C8c"}
    number = await filed(bridge, headers=bridge.key(), **told)
    assert (await bridge.file(headers=bridge.key(), **told, narrative_raw="还有一句")).json()["merged"]
    entry = next(one for one in (await read(bridge, number))["events"] if one["type"] == "merge")
    parent = await done(bridge, number, "split", "supervisor", reason="另一件事", entry=entry["seq"])
    child = await read(bridge, parent["events"][-1]["data"]["ticket_no"])
    assert (child["restricted"], child["cause_secondary"]) == (True, "C8c")


# Clocks


@pytest.mark.parametrize("nature", ["表扬", "建议", "意见", "咨询", "举报"])
async def test_only_a_complaint_runs_by_law(bridge: Bridge, nature: str) -> None:
    ticket = await read(bridge, await filed(bridge, nature=nature))
    assert ticket["clock_basis"].startswith("15日：本行约定")
    assert ticket["first_contact_basis"].startswith("1个工作日：本行约定")


async def test_a_complaint_runs_by_law(bridge: Bridge) -> None:
    ticket = await read(bridge, await filed(bridge))
    assert "银保监会令2020年第3号" in ticket["clock_basis"]


async def test_what_turns_out_to_be_a_complaint_runs_by_law_from_its_receipt(bridge: Bridge) -> None:
    number = await filed(bridge, nature="咨询")
    before = await read(bridge, number)
    after = await done(bridge, number, "correct", "agent", fields={"nature": "投诉"})
    assert "银保监会令2020年第3号" in after["clock_basis"]
    assert after["due_at"] == before["due_at"]


# Words


async def progress(bridge: Bridge, number: str) -> dict[str, Any]:
    shown = await bridge.http.get(f"/v1/public/tickets/{number}", params={"phone_tail": "8000"})
    assert shown.status_code == 200, shown.text
    return dict(shown.json())


async def test_praise_is_not_called_a_complaint(bridge: Bridge) -> None:
    number = await filed(bridge, nature="表扬")
    shown = await progress(bridge, number)
    assert (shown["nature"], "投诉" in shown["state_text"], "表扬" in shown["state_text"]) == ("表扬", False, True)


@pytest.mark.parametrize("nature", ["表扬", "建议", "意见", "咨询", "举报", "投诉"])
@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("reviewed", [None, "2026-11-25"])
def test_every_state_of_every_nature_has_words(nature: str, state: State, reviewed: str | None) -> None:
    class Row:
        review_requested_at = reviewed
        awaited = "存单的照片"

    row = Row()
    row.nature, row.state = nature, state  # type: ignore[attr-defined]
    text = plain_state(row)  # type: ignore[arg-type]
    assert "{" not in text
    assert nature == "投诉" or "投诉" not in text


async def test_lists_name_the_nature_and_stay_light(bridge: Bridge) -> None:
    await filed(bridge, nature="建议", sources={"branch": {"source": "said", "confidence": 0.9}})
    page = await bridge.http.get("/v1/tickets", headers=bridge.key())
    (item,) = page.json()["tickets"]
    assert item["nature"] == "建议"
    assert not {"sources", "level_course", "missing_fields", "narrative_raw"} & item.keys()
    assert len(await listed(bridge)) == 1
