"""What is told when a clock runs out: once each, in order, to whoever must know, after downtime and jumps of the clock too."""

import asyncio
import random
import time
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.core.jobs import Jobs
from api.core.security import Role
from api.tickets import repository, timekeeping
from api.tickets.calendar import WorkCalendar
from api.tickets.timekeeping import Timekeeper
from api.tickets.timers import look, recount
from contract.calendar import Calendar
from tests.api.conftest import Bridge, Start
from tests.api.test_handing import member
from tests.api.test_joining import later
from tests.api.test_ticket_events import do, done
from tests.api.test_tickets import read

STAGES = ["warn50", "warn80", "overdue", "level2", "level3"]


@pytest.fixture(autouse=True)
def no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing looks but when a test says so."""
    monkeypatch.setattr(Jobs, "start", lambda jobs: None)


@pytest.fixture
async def bridge(start: Start) -> Bridge:
    """On a Monday morning."""
    started: Bridge = await start(clock="2026-11-23T09:30:00+08:00")
    return started


async def looked(bridge: Bridge) -> None:
    await look(bridge.app.state.tickets)


async def rows(bridge: Bridge, sql: str, **values: Any) -> list[Any]:
    ctx = bridge.app.state.context
    return list(await ctx.db.read(lambda connection: connection.execute(text(sql), values).all()))


async def told(bridge: Bridge, number: str, clock: str = "decision") -> list[str]:
    sql = "SELECT kind FROM sla_events WHERE ticket_no = :number AND clock = :clock ORDER BY id"
    return [row.kind for row in await rows(bridge, sql, number=number, clock=clock)]


async def notices(bridge: Bridge, **wanted: Any) -> list[dict[str, Any]]:
    page = (await bridge.http.get("/v1/notices", headers=bridge.key())).json()["notices"]
    return [one for one in page if all(one[name] == value for name, value in wanted.items())]


async def filed(bridge: Bridge, **body: Any) -> str:
    return str((await bridge.file(**body)).json()["ticket_no"])


async def test_nothing_is_told_before_its_time(bridge: Bridge) -> None:
    number = await filed(bridge)
    await looked(bridge)
    assert (await told(bridge, number, "first_contact"), await notices(bridge)) == ([], [])


async def test_every_stage_of_a_first_contact(bridge: Bridge) -> None:
    """Filed on Monday 09:30, due on Tuesday 23:59; half of the hours of service are over on Tuesday at 09:15."""
    number = await filed(bridge)
    for hours, kind in ((24, "warn50"), (5, "warn80"), (12, "overdue"), (9, "level2"), (48, "level3")):
        later(bridge, hours=hours)
        await looked(bridge)
        assert (await told(bridge, number, "first_contact"))[-1] == kind
    units = [one["to_unit"] for one in reversed(await notices(bridge)) if "首次联系" in one["text"]]
    assert units == ["网点负责人"] * 3 + ["运营部", "消费者权益保护部", "分管行领导", "消费者权益保护部"]
    outbox = await rows(bridge, "SELECT type FROM outbox ORDER BY id")
    assert [row.type for row in outbox].count("ticket.sla") >= 5


async def test_after_downtime_each_is_told_once_and_in_order(bridge: Bridge) -> None:
    number = await filed(bridge)
    later(bridge, days=40)
    await looked(bridge)
    await looked(bridge)
    assert await told(bridge, number) == STAGES
    assert await told(bridge, number, "first_contact") == STAGES
    moments = [row.at for row in await rows(bridge, "SELECT at FROM sla_events ORDER BY id")]
    assert moments == sorted(moments)


async def test_a_clock_that_is_set_back_tells_nothing_twice(bridge: Bridge) -> None:
    number = await filed(bridge)
    later(bridge, days=8)
    await looked(bridge)
    before = await told(bridge, number), len(await notices(bridge))
    later(bridge, days=-7)
    await done(bridge, number, "comment", text="时钟拨回以后")
    for _ in range(7):
        later(bridge, days=1)
        await looked(bridge)
    assert (await told(bridge, number), len(await notices(bridge))) == before
    later(bridge, days=20)
    await looked(bridge)
    assert await told(bridge, number) == STAGES


async def test_who_looks_at_once_with_another_tells_nothing_twice(bridge: Bridge) -> None:
    numbers = [await filed(bridge, phone=f"1390000{n:04d}") for n in range(30)]
    later(bridge, days=40)
    await asyncio.gather(*(looked(bridge) for _ in range(4)))
    counted = await rows(bridge, "SELECT ticket_no, clock, kind, count(*) AS n FROM sla_events GROUP BY 1, 2, 3")
    assert {row.n for row in counted} == {1}
    assert {row.ticket_no for row in counted} == set(numbers)


async def test_an_extension_is_warned_of_anew(bridge: Bridge) -> None:
    number = await filed(bridge)
    later(bridge, days=14)
    await looked(bridge)
    assert await told(bridge, number) == ["warn50", "warn80"]
    await done(bridge, number, "extend", days=10, reason="调监控", approver="王行长")
    later(bridge, days=12)
    await looked(bridge)
    assert await told(bridge, number) == ["warn50", "warn80", "warn80", "overdue"]


async def test_what_has_been_answered_is_not_warned_of(bridge: Bridge) -> None:
    number = await filed(bridge)
    await done(bridge, number, "accept")
    await done(bridge, number, "resolve", outcome="道歉")
    later(bridge, days=40)
    await looked(bridge)
    assert (await told(bridge, number), await rows(bridge, "SELECT * FROM sla_events")) == ([], [])


async def test_a_sealed_matter_is_told_of_to_its_unit_only(bridge: Bridge) -> None:
    await filed(bridge, cause_l1="C8")
    later(bridge, days=40)
    await looked(bridge)
    hidden = await rows(bridge, "SELECT to_unit, restricted_to FROM notices")
    assert hidden
    assert all(row.to_unit == row.restricted_to for row in hidden)
    assert (await bridge.http.get("/v1/notices", headers=bridge.key("agent"))).json()["notices"] == []


@pytest.mark.parametrize(
    ("recused", "warned", "escalated"),
    [
        ({}, {"网点负责人"}, {"运营部", "消费者权益保护部", "分管行领导"}),
        ({"units": ["运营部", "消费者权益保护部"]}, {"网点负责人"}, {"分管行领导"}),
        ({"units": ["运营部", "消费者权益保护部", "分管行领导"]}, {"网点负责人"}, {"内控合规部"}),
        ({"persons": ["an"]}, {"消费者权益保护部"}, {"消费者权益保护部", "分管行领导"}),
    ],
    ids=["nobody", "those told at level 2", "the whole chain", "everybody of the unit that would have it"],
)
async def test_nobody_is_warned_who_stands_aside(
    bridge: Bridge, recused: dict[str, list[str]], warned: set[str], escalated: set[str]
) -> None:
    await (await member(bridge, "an", Role.HANDLER, "网点负责人")).aclose()
    await filed(bridge, recused=recused)
    later(bridge, days=40)
    await looked(bridge)
    told = [(one["kind"], one["to_unit"]) for one in await notices(bridge)]
    assert {unit for kind, unit in told if kind in ("sla_warn50", "sla_warn80", "sla_overdue")} == warned
    assert {unit for kind, unit in told if kind in ("sla_level2", "sla_level3")} == escalated


async def test_a_unit_that_has_only_those_complained_of_left_is_passed_over(bridge: Bridge) -> None:
    """Its other account went since the ticket came there."""
    for name in ("an", "bo"):
        await (await member(bridge, name, Role.HANDLER, "网点负责人")).aclose()
    number = await filed(bridge, recused={"persons": ["an"]})
    assert (await read(bridge, number))["route"] == "网点负责人"
    ctx = bridge.app.state.context
    gone = text("UPDATE staff SET active = false WHERE username = 'bo'")
    await ctx.db.write(lambda connection: connection.execute(gone))
    later(bridge, hours=24)
    await looked(bridge)
    assert {one["to_unit"] for one in await notices(bridge)} == {"运营部", "消费者权益保护部"}


async def test_one_broken_ticket_holds_up_nobody(bridge: Bridge) -> None:
    broken, whole = await filed(bridge), await filed(bridge, phone="13900000001")
    ctx = bridge.app.state.context
    await ctx.db.write(
        lambda connection: connection.execute(
            text("UPDATE tickets SET policy_version = 99 WHERE ticket_no = :number"), {"number": broken}
        )
    )
    await ctx.db.write(
        lambda connection: connection.execute(text("DELETE FROM ticket_events WHERE ticket_no = :n"), {"n": broken})
    )
    later(bridge, days=40)
    await looked(bridge)
    assert (await told(bridge, broken), await told(bridge, whole)) == ([], STAGES)
    await looked(bridge)


@pytest.mark.parametrize("ahead", [0, 8])
async def test_what_could_not_be_counted_is_tried_again_soon_whatever_the_clock_said(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """Not at every look, and not only when a clock that was hours ahead would have come so far by itself."""
    number = await filed(bridge)
    ((version,),) = await rows(bridge, "SELECT policy_version FROM tickets")
    await policed(bridge, 99)
    later(bridge, days=40, hours=ahead)
    await looked(bridge)
    later(bridge, hours=-ahead)
    await policed(bridge, version)
    await looked(bridge)
    assert await told(bridge, number) == []
    later(bridge, minutes=11)
    passed = time.monotonic() + 601
    monkeypatch.setattr(timekeeping, "monotonic", lambda: passed)
    await looked(bridge)
    assert await told(bridge, number) == STAGES


async def policed(bridge: Bridge, version: int) -> None:
    statement = text("UPDATE tickets SET policy_version = :version").bindparams(version=version)
    await bridge.app.state.context.db.write(lambda connection: connection.execute(statement))


async def test_the_detail_shows_what_was_told(bridge: Bridge) -> None:
    number = await filed(bridge)
    later(bridge, days=8)
    await looked(bridge)
    decision = next(one for one in (await read(bridge, number))["clocks"] if one["kind"] == "decision")
    assert [one["stage"] for one in decision["told"]] == ["warn50"]
    assert (decision["state"], decision["run"], len(decision["warn_at"])) == ("running", 1, 2)


async def test_the_numbers_name_overdue_clocks(bridge: Bridge) -> None:
    await filed(bridge)
    later(bridge, days=3)
    numbers = (await bridge.http.get("/metrics")).text
    assert 'tingsu_tickets_overdue{clock="first_contact"} 1.0' in numbers
    assert 'tingsu_tickets_overdue{clock="decision"} 0.0' in numbers


# Calendars


def knowing_2027(bridge: Bridge) -> WorkCalendar:
    plan = bridge.app.state.playbook.calendar
    year = {"year": 2027, "source": "演示", "holidays": [{"name": "元旦", "first": "2027-01-01", "last": "2027-01-03"}]}
    return WorkCalendar(Calendar.model_validate({**plan.model_dump(), "years": [year]}))


async def test_what_was_provisional_is_counted_again_when_the_year_is_known(start: Start) -> None:
    bridge = await start(clock="2026-12-31T10:00:00+08:00")
    tickets, ctx, number = bridge.app.state.tickets, bridge.app.state.context, await filed(bridge)
    before = await read(bridge, number)
    assert (before["provisional"], before["first_contact_due_at"][:10]) == (True, "2027-01-01")
    await recount(tickets)
    assert len((await read(bridge, number))["events"]) == 1
    newer = replace(tickets, time=Timekeeper(tickets.playbook, knowing_2027(bridge)))
    await recount(replace(newer, time=replace(newer.time, version=99)))
    assert len((await read(bridge, number))["events"]) == 1, "another playbook is in force"
    await ctx.db.write(lambda connection: newer.time.register(connection, ctx.clock.now()))
    for process in (newer, newer, tickets):
        await recount(process)
    after = await read(bridge, number)
    assert (after["provisional"], after["first_contact_due_at"][:10]) == (False, "2027-01-04")
    assert after["due_at"] == before["due_at"]
    (entry,) = after["events"][1:]
    moved = entry["data"]["first_contact_due_at"]
    assert (entry["type"], entry["actor"], moved["from"][:10]) == ("recount", "system", "2027-01-01")


async def test_a_ticket_of_the_version_before_is_counted(bridge: Bridge) -> None:
    number, ctx = await filed(bridge), bridge.app.state.context
    nothing = "calendar_version = NULL, next_check_at = NULL, policy_version = NULL, service_due_at = NULL"
    await ctx.db.write(lambda connection: connection.execute(text(f"UPDATE tickets SET {nothing}")))  # noqa: S608
    later(bridge, days=40)
    await looked(bridge)
    assert await told(bridge, number) == []
    await recount(bridge.app.state.tickets)
    await looked(bridge)
    assert (await told(bridge, number), len((await read(bridge, number))["events"])) == (STAGES, 1)


# Policies


@pytest.mark.parametrize("change", ["UPDATE sla_policies SET content = '{}'", "DELETE FROM sla_policies"])
async def test_a_policy_never_changes(bridge: Bridge, change: str) -> None:
    ctx = bridge.app.state.context
    with pytest.raises((DBAPIError, Exception), match="does not change"):
        await ctx.db.write(lambda connection: connection.execute(text(change)))
    assert len(await rows(bridge, "SELECT * FROM sla_policies")) == 1


async def test_a_changed_file_is_a_new_policy_and_old_tickets_keep_theirs(bridge: Bridge) -> None:
    tickets, old = bridge.app.state.tickets, await filed(bridge)
    ctx, playbook = bridge.app.state.context, bridge.app.state.playbook
    shorter = [
        term.model_copy(update={"values": tuple(one.model_copy(update={"value": 7}) for one in term.values)})
        if (term.kind, term.complexity) == ("decision", "simple")
        else term
        for term in playbook.sla.clocks
    ]
    tickets.time.playbook = playbook.model_copy(
        update={"sla": playbook.sla.model_copy(update={"clocks": tuple(shorter)})}
    )
    await ctx.db.write(lambda connection: tickets.time.register(connection, ctx.clock.now()))
    new = await filed(bridge, phone="13900000001")
    ages = {number: (await read(bridge, number))["due_at"][:10] for number in (old, new)}
    assert ages == {old: "2026-12-08", new: "2026-11-30"}
    await recount(tickets)
    assert (await read(bridge, old))["due_at"][:10] == "2026-12-08"
    again = (await bridge.file(amount="200")).json()
    assert (again["ticket_no"], again["due_at"][:10]) == (old, "2026-11-30"), "new facts start under the law of today"


# The thread alone decides

_FIELDS: dict[str, list[dict[str, Any]]] = {
    "wait": [{"for": "customer", "reason": "请补充"}, {"for": "third_party", "reason": "等第三方"}],
    "extend": [{"days": 5, "reason": "x", "approver": "王行长"}],
    "classify": [{"complexity": "complex", "reason": "x"}, {"complexity": "simple", "reason": "x"}],
    "comment": [{"text": "x"}, {"text": "x", "from_customer": True, "evidence": True}],
    "correct": [{"fields": {"nature": "建议"}}, {"fields": {"nature": "投诉"}}, {"fields": {"source": "12363"}}],
    "assign": [{"route": "运营部"}, {"owner": "li"}],
    "resolve": [{"outcome": "道歉"}, {"outcome": "解释"}],
    "assess": [{"validity": "有效"}],
    **{kind: [{"text": "x"}] for kind in ("review", "contact", "urge")},
    **{kind: [{"reason": "x"}] for kind in ("reject", "reopen", "not_complaint")},
}


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_kept_is_what_the_thread_says(bridge: Bridge, seed: int) -> None:
    chance, tickets, ctx = random.Random(seed), bridge.app.state.tickets, bridge.app.state.context  # noqa: S311
    number = await filed(bridge, level=chance.randint(0, 4))
    happened: set[str] = set()
    for _ in range(25):
        allowed = [
            kind
            for kind in (await read(bridge, number))["allowed_events"]
            if kind not in ("withdraw", "merge", "split", "recuse", "unrecuse")
        ]
        kind = chance.choice(allowed)
        answer = await do(bridge, number, kind, "admin", **chance.choice(_FIELDS.get(kind, [{}])))
        happened |= {kind} if answer.status_code == 201 else set()
        if chance.random() < 0.3:
            await bridge.file(amount=str(chance.randint(1, 5)), level=chance.randint(0, 4))
        later(bridge, hours=chance.randint(0, 60))
        await looked(bridge)
        row = await ctx.db.read(lambda connection: repository.find(connection, number))
        kept = await ctx.db.read(
            lambda connection, row=row: tickets.time.columns(connection, row._asdict(), now=ctx.clock.now())
        )
        assert {name: getattr(row, name) for name in kept} == kept
    assert len(happened) > 4
