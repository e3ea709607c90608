"""Tells whoever must know that a clock runs out: each stage of each run once, also after downtime or a clock that jumped.

Nothing is counted here: what is due stands in the history, so that a look that was missed is made up for by the next one.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from api.core.bus import Event
from api.core.clock import BEIJING
from api.core.errors import ApiError
from api.core.logging import describe, get_logger
from api.core.models import AnyRow
from api.core.security import SYSTEM
from api.tickets import repository
from api.tickets.clocks import Clock, untold
from api.tickets.handoff import repository as handoff
from api.tickets.lifecycle import EventType
from api.tickets.notices import repository as notices
from api.tickets.recusal import aside_of
from api.tickets.service import Tickets
from api.tickets.sla import repository as sla
from api.tickets.thread import record
from contract.sla import Kind, Stage

LOOK_EVERY = 15.0  # seconds; the shortest clock warns after seven minutes
RECOUNT_EVERY = 60.0

logger = get_logger("timers")

Work = Callable[[Connection, str], bool]

_AT_ONCE = 20  # tickets whose transactions wait together, so that SQLite commits them together

_NAMES: dict[Kind, str] = {
    "first_contact": "首次联系客户",
    "decision": "答复客户",
    "service": "内部办理",
    "transfer_receipt": "告知受理情况",
    "transfer_reply": "答复转办单位",
    "repair": "修复障碍",
}
_HAPPENED: dict[Stage, str] = {
    "warn50": "时限已过半",
    "warn80": "时限将到",
    "overdue": "已经超过时限",
    "level2": "超过时限，请上级部门督办",
    "level3": "严重超过时限，请分管领导督办",
}
_URGENCY: dict[Stage, int] = {"warn50": 1, "warn80": 2, "overdue": 3, "level2": 3, "level3": 4}
_ESCALATED: dict[Stage, int] = {"level2": 2, "level3": 3}
_LIFE_IN_DANGER = 4
_DATES = ("first_contact_due_at", "due_at", "service_due_at")


async def look(tickets: Tickets) -> None:
    """Tells everything that has come due."""
    db, now, after = tickets.ctx.db, tickets.ctx.clock.now(), None
    while page := await db.read(partial(sla.due, now=now, after=after)):
        after = (page[-1].next_check_at, page[-1].id)
        if await _each(tickets, page, partial(_tell, tickets, now=now)):
            tickets.ctx.bus.publish("desk", Event())


async def recount(tickets: Tickets) -> None:
    """Dates again for what was counted by another calendar, when this process is the one whose playbook is in force."""
    db, now, last = tickets.ctx.db, tickets.ctx.clock.now(), 0
    if await db.read(sla.in_force) != tickets.time.version:
        return
    version = tickets.time.calendar.version
    while page := await db.read(partial(sla.counted_otherwise, calendar_version=version, after=last)):
        last = page[-1].id
        await _each(tickets, page, partial(_recount, tickets, now=now))


async def count_overdue(tickets: Tickets) -> None:
    late = await tickets.ctx.db.read(partial(sla.overdue, now=tickets.ctx.clock.now()))
    for clock, count in late.items():
        tickets.ctx.metrics.overdue.labels(clock).set(count)


async def _each(tickets: Tickets, page: Iterable[AnyRow], work: Work) -> int:
    """One transaction for each ticket; how many were done. One that cannot be done does not hold up the others."""
    numbers, done = [row.ticket_no for row in page if not tickets.time.is_put_off(row.ticket_no)], 0
    for start in range(0, len(numbers), _AT_ONCE):
        some = numbers[start : start + _AT_ONCE]
        results = await asyncio.gather(*(_one(tickets, number, work) for number in some))
        done += sum(results)
    return done


async def _one(tickets: Tickets, ticket_no: str, work: Work) -> bool:
    try:
        return await tickets.ctx.db.write(lambda connection: work(connection, ticket_no))
    except ApiError:
        raise  # the database is away, for all of them
    except Exception as error:  # noqa: BLE001 - one broken ticket must not keep the others from being told of
        logger.error("clock_failed", ticket_no=ticket_no, **describe(error))
        tickets.time.put_off(ticket_no)
        return False


def _tell(tickets: Tickets, connection: Connection, ticket_no: str, *, now: datetime) -> bool:
    """Whether anything was told: another process may have been here, or the ticket has ended."""
    ticket = repository.find(connection, ticket_no, lock=True)
    if ticket is None or ticket.next_check_at is None or ticket.next_check_at > now:
        return False
    row, known = ticket._asdict(), sla.keys(sla.told(connection, ticket_no))
    clocks = tickets.time.clocks(connection, row, repository.events_of(connection, ticket_no), now)
    come = [(at, clock, stage) for clock in clocks for stage, at in untold(clock, known) if at <= now]
    for at, clock, stage in sorted(come, key=lambda one: one[0]):
        happened = {"ticket_no": ticket_no, "clock": clock.kind, "kind": stage, "run": clock.run}
        if sla.tell(connection, {**happened, "at": at, "created_at": now}):
            _notify(tickets, connection, ticket, clock, stage, now)
    told = known | {(clock.kind, stage, clock.run) for _, clock, stage in come}
    repository.change(connection, ticket_no, tickets.time.kept(clocks, told))
    return bool(come)


def _notify(
    tickets: Tickets, connection: Connection, ticket: AnyRow, clock: Clock, stage: Stage, now: datetime
) -> None:
    """To the unit that has it, from level 2 on to whoever is above it; of a sealed matter nobody else hears.

    Who stands aside by now (回避) hears nothing; those above do.
    """
    due = f"{clock.due_at.astimezone(BEIJING):%m-%d %H:%M}" if clock.due_at else ""
    text = f"工单 {ticket.ticket_no}：{_NAMES[clock.kind]}{_HAPPENED[stage]}（期限 {due}）。"
    urgent = ticket.level_peak >= _LIFE_IN_DANGER and clock.kind == "first_contact" and stage in ("overdue", "level2")
    routing, level = tickets.playbook.routing, _ESCALATED.get(stage)
    out = aside_of(connection, ticket).units
    if level is None and ticket.route not in out:
        units: tuple[str, ...] = (ticket.route,)
    else:
        units = routing.escalation(level or 2, ticket.route, now.date(), out)
    for unit in units:
        notices.add(
            connection,
            kind=f"sla_{stage}",
            text=text,
            level=4 if urgent else _URGENCY[stage],
            unique_key=f"sla:{ticket.ticket_no}:{clock.kind}:{clock.run}:{stage}:{unit}",
            now=now,
            ticket_no=ticket.ticket_no,
            to_unit=None if unit in out else unit,  # nobody is left: whoever is there
            restricted_to=unit if ticket.restricted else None,
        )
    told = {"clock": clock.kind, "stage": stage, "run": clock.run, "due_at": clock.due_at}
    handoff.add(
        connection,
        ticket,
        kind="sla",
        entry={
            "seq": ticket.version, "type": "sla", "actor": SYSTEM.id, "audience": "staff", "at": now, "data": told,
        },
        now=now,
        occasion=f"{clock.kind}_{clock.run}_{stage}",
    )  # fmt: skip


def _recount(tickets: Tickets, connection: Connection, ticket_no: str, *, now: datetime) -> bool:
    """The thread tells of a date that moved; most do not, because few clocks count working days of another year."""
    ticket = repository.find(connection, ticket_no, lock=True)
    if ticket is None:
        return False
    row = ticket._asdict()
    kept = tickets.time.columns(connection, row, now=now)
    repository.change(connection, ticket_no, kept)
    moved: dict[str, Any] = {
        name: {"from": row[name], "to": kept[name]} for name in _DATES if row[name] and row[name] != kept[name]
    }
    if moved and ticket.calendar_version is not None:
        told = {**moved, "reason": "工作日安排有变化，时限重新计算"}
        record(connection, ticket_no=ticket_no, kind=EventType.RECOUNT, by=SYSTEM, data=told, now=now)
    return bool(moved)
