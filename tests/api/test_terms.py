"""Extensions, complexity, transfers: who may move a date, how far, and who has to hear of it."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, update

from api.core.clock import rfc3339
from api.core.models import staff
from api.core.security import Role
from api.desk.staff import add
from tests.api.conftest import Bridge
from tests.api.test_joining import later, says
from tests.api.test_ticket_events import do, done
from tests.api.test_tickets import read

APPROVED = {"days": 10, "reason": "需要调监控", "approver": "王行长"}


async def account(bridge: Bridge, username: str, role: Role, *, active: bool = True, name: str | None = None) -> None:
    ctx = bridge.app.state.context

    def make(connection: Connection) -> None:
        add(connection, username=username, role=role, password="a-long-password", unit="运营部", now=ctx.clock.now())
        shown = {"active": active, "display_name": name or username}
        connection.execute(update(staff).where(staff.c.username == username).values(shown))

    await ctx.db.write(make)


async def filed(bridge: Bridge, **body: Any) -> dict[str, Any]:
    return dict((await bridge.file(**body)).json())


def clock(ticket: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(one for one in ticket["clocks"] if one["kind"] == kind)


def moved(ticket: dict[str, Any]) -> tuple[str, str]:
    told = ticket["events"][-1]["data"]["due_at"]
    old, new = (rfc3339(datetime.fromisoformat(told[side])) for side in ("from", "to"))
    return old, new


# Extension


@pytest.mark.parametrize(
    ("more", "because"),
    [
        ({"days": None}, "天数"),
        ({"reason": None}, "理由"),
        ({"approver": None}, "批准人"),
        ({"approver": "  "}, "不能是申请延期的人"),
        ({"approver": "handler"}, "不能是申请延期的人"),
        ({"approver": "key:handler"}, "不能是申请延期的人"),
        ({"approver": "zhang"}, "没有批准延期的权限"),
        ({"approver": "gone"}, "已停用"),
        ({"notice": "您应该理解"}, "客户会看到"),
        ({"days": 31}, None),
    ],
)
async def test_an_extension_that_nobody_may_give(bridge: Bridge, more: dict[str, Any], because: str | None) -> None:
    await account(bridge, "zhang", Role.HANDLER)
    await account(bridge, "gone", Role.SUPERVISOR, active=False)
    ticket = await filed(bridge)
    refused = await do(bridge, ticket["ticket_no"], "extend", **{**APPROVED, **more})
    assert refused.status_code == 422, refused.text
    assert because is None or because in refused.json()["error"]["message"]
    shown = await read(bridge, ticket["ticket_no"])
    assert (shown["due_at"], shown["promises"], len(shown["events"])) == (ticket["due_at"], [], 1)


@pytest.mark.parametrize("approver", ["li", "李主管", "王行长"], ids=["an account", "its name", "no account"])
async def test_who_approves(bridge: Bridge, approver: str) -> None:
    await account(bridge, "li", Role.SUPERVISOR, name="李主管")
    number = (await filed(bridge))["ticket_no"]
    told = (await done(bridge, number, "extend", **{**APPROVED, "approver": approver}))["events"][-1]["data"]
    assert (told["approver"], told.get("approver_account")) == (approver, None if approver == "王行长" else "li")


async def test_an_extension_is_owed_to_the_customer_until_it_is_told(bridge: Bridge) -> None:
    before = await filed(bridge)
    number = before["ticket_no"]
    ticket = await done(bridge, number, "extend", **APPROVED)
    (promise,) = ticket["promises"]
    assert (promise["kind"], promise["due_at"], promise["met_at"]) == ("extension_notice", before["due_at"], None)
    assert (ticket["extended_days"], ticket["extension_reason"]) == (10, "需要调监控")
    assert moved(ticket) == (before["due_at"], ticket["due_at"])
    await done(bridge, number, "contact", text="已联系")
    assert (await read(bridge, number))["promises"][0]["met_at"] is None
    told = await done(bridge, number, "contact", text="已告知延期", customer_notified=True)
    assert told["promises"][0]["met_at"] is not None


async def test_an_extension_that_was_told_owes_nothing(bridge: Bridge) -> None:
    number = (await filed(bridge))["ticket_no"]
    ticket = await done(bridge, number, "extend", **APPROVED, customer_notified=True)
    assert (ticket["promises"], ticket["events"][-1]["data"]["customer_notified"]) == ([], True)


async def test_a_notice_is_said_in_the_customers_window(bridge: Bridge) -> None:
    talk = await bridge.talk()
    number = (await filed(bridge, conversation_id=talk.id))["ticket_no"]
    ticket = await done(
        bridge, number, "extend", **APPROVED, notice="调监控还要几天，答复会晚一些，卡号6222020200112233440不用再报"
    )
    (said,) = (await talk.history())["messages"]
    assert (said["role"], "答复会晚一些" in said["text"], "6222020200112233440" in said["text"]) == ("bot", True, False)
    assert ticket["promises"] == []


async def test_a_notice_without_a_window_is_still_owed(bridge: Bridge) -> None:
    number = (await filed(bridge))["ticket_no"]
    ticket = await done(bridge, number, "extend", **APPROVED, notice="答复会晚一些")
    assert [one["kind"] for one in ticket["promises"]] == ["extension_notice"]


# Complexity


async def test_a_complex_matter_has_thirty_days_by_law(bridge: Bridge) -> None:
    before = await filed(bridge)
    later(bridge, days=3)
    ticket = await done(bridge, before["ticket_no"], "classify", complexity="complex", reason="涉及三个部门")
    assert (ticket["complexity"], clock(ticket, "decision")["basis"][:8]) == ("complex", "30日：银保监会")
    assert (ticket["clock_started_at"], clock(ticket, "decision")["run"]) == (before["created_at"], 2)
    assert moved(ticket) == (before["due_at"], ticket["due_at"])
    again = await done(bridge, before["ticket_no"], "classify", complexity="simple", reason="看错了")
    assert (again["due_at"], again["complexity"]) == (before["due_at"], "simple")


async def test_a_complex_matter_extended_ends_at_sixty_days(bridge: Bridge) -> None:
    number = (await filed(bridge))["ticket_no"]
    await done(bridge, number, "classify", complexity="complex", reason="复杂")
    await done(bridge, number, "extend", **{**APPROVED, "days": 30})
    refused = await do(bridge, number, "extend", **{**APPROVED, "days": 1})
    assert (refused.status_code, "60 日" in refused.json()["error"]["message"]) == (422, True)


@pytest.mark.parametrize(
    ("more", "because"),
    [
        ({"complexity": None}, "complexity"),
        ({"reason": None}, "理由"),
        ({"complexity": "simple"}, "已经认定为简单"),
        ({"complexity": "hard"}, None),
    ],
)
async def test_a_complexity_that_cannot_be(bridge: Bridge, more: dict[str, Any], because: str | None) -> None:
    number = (await filed(bridge))["ticket_no"]
    refused = await do(bridge, number, "classify", **{"complexity": "complex", "reason": "x", **more})
    assert refused.status_code == 422
    assert because is None or because in refused.json()["error"]["message"]


async def test_there_is_no_way_out_of_a_date_that_passed(bridge: Bridge) -> None:
    number = (await filed(bridge))["ticket_no"]
    later(bridge, days=16)
    for kind, more in (("classify", {"complexity": "complex", "reason": "x"}), ("extend", APPROVED)):
        refused = await do(bridge, number, kind, **more)
        assert (refused.status_code, "请尽快答复" in refused.json()["error"]["message"]) == (422, True)
    assert (await read(bridge, number))["overdue"] is True


async def test_an_agent_does_not_classify(bridge: Bridge) -> None:
    number = (await filed(bridge))["ticket_no"]
    assert (await do(bridge, number, "classify", "agent", complexity="complex", reason="x")).status_code == 403


# What an authority passed on


async def test_a_transfer_is_owed_to_the_authority_too(bridge: Bridge) -> None:
    number = (await filed(bridge, source="12363"))["ticket_no"]
    ticket = await read(bridge, number)
    assert (ticket["source"], clock(ticket, "transfer_reply")["due_at"]) == ("12363", ticket["due_at"])
    corrected = await done(bridge, number, "correct", fields={"source": "信访"})
    assert [one["kind"] for one in corrected["clocks"]][3:] == ["transfer_receipt", "transfer_reply"]
    assert (await do(bridge, number, "correct", fields={"source": "隔壁"})).status_code == 422


async def test_what_nobody_has_checked_is_not_told_to_whoever_files(bridge: Bridge) -> None:
    told = await filed(bridge, source="12363")
    assert [one["kind"] for one in told["clocks"]] == ["first_contact", "decision"]
    assert "未核实" not in str(told)


# The thread alone decides


async def test_the_service_clock_pauses_while_the_customer_is_asked(bridge: Bridge) -> None:
    before = await filed(bridge)
    number = before["ticket_no"]
    await done(bridge, number, "accept")
    waiting = await done(bridge, number, "wait", **{"for": "customer"}, reason="请补充回单")
    assert (clock(waiting, "service")["state"], clock(waiting, "service")["due_at"]) == ("paused", None)
    assert (waiting["service_due_at"], waiting["due_at"]) == (None, before["due_at"])
    later(bridge, days=7)
    resumed = await done(bridge, number, "resume")
    assert clock(resumed, "service")["state"] == "running"
    (pause,) = clock(resumed, "service")["pauses"]
    assert pause["to"] is not None
    assert resumed["due_at"] == before["due_at"]


async def test_a_customer_who_answers_ends_the_pause(bridge: Bridge) -> None:
    number = (await filed(bridge, amount="20"))["ticket_no"]
    await done(bridge, number, "accept")
    await done(bridge, number, "wait", **{"for": "customer"}, reason="请补充回单")
    assert (await says(bridge, number, facts={"amount": "200"})).json()["clock_restarted"] is True
    shown = await read(bridge, number)
    assert (clock(shown, "service")["state"], shown["service_due_at"]) == ("running", clock(shown, "service")["due_at"])


async def test_a_callback_that_is_asked_for_again_is_due_from_then(bridge: Bridge) -> None:
    number = (await filed(bridge))["ticket_no"]
    later(bridge, days=5)
    again = await bridge.file(callback_wanted=True, narrative_raw="还没人打电话")
    assert (again.status_code, again.json()["ticket_no"]) == (200, number)
    (promise,) = (await read(bridge, number))["promises"]
    assert promise["due_at"] > promise["made_at"]
