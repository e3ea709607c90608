"""回避: the person or unit that is complained of never handles the matter, and never decides about it.

`aside` is the one answer to who gets nothing of a matter; whoever picks a unit or a person (routing, refusal, handing on,
turns, rises, escalation) asks it.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.core.errors import ApiError
from api.core.models import AnyRow
from api.core.security import Principal
from api.tickets import repository
from api.tickets.access import is_recused
from api.tickets.accounts import repository as staff
from api.tickets.lifecycle import EVENT_LABELS, HANDLED_STATES, Entry, EventType
from api.tickets.routing import choose, concern_of, copies, way
from contract.playbook import Playbook

# Whoever is complained of may still be heard, and hand the matter on.
_LEFT = frozenset({EventType.COMMENT, EventType.REJECT})


class RecusedError(ApiError):
    """The complaint is about this person or unit; `details.recused` names them."""

    status, code = 409, "recused"


def check_actor(by: Principal, ticket: AnyRow, event: EventType) -> None:
    """Raises RecusedError when the caller decides on a complaint about themselves or their unit."""
    if event not in _LEFT and is_recused(by, ticket):
        raise RecusedError(
            f"这张工单反映的是您或您所在的部门，按回避要求不能由您{EVENT_LABELS[event]}；可以写备注说明情况，或者退回。",
            details={"recused": [by.id]},
        )


def check_dismisser(by: Principal, ticket: AnyRow) -> None:
    """Raises RecusedError when the caller would keep others from seeing what else there is about themselves."""
    if is_recused(by, ticket):
        raise RecusedError(
            "这张工单反映的是您或您所在的部门，按回避要求不能由您判断是否相关；请交给其他同事。",
            details={"recused": [by.id]},
        )


def check_keeper(by: Principal, tickets: Iterable[AnyRow]) -> None:
    """Raises RecusedError when the caller would give out, delete or hold what somebody told about the caller."""
    if any(is_recused(by, ticket) for ticket in tickets):
        raise RecusedError(
            "其中有工单反映的是您或您所在的部门，按回避要求不能由您办理；请交给其他管理员或审计员。",
            details={"recused": [by.id]},
        )


@dataclass(frozen=True, slots=True)
class Aside:
    """Those complained of, and with them: the people of a unit complained of, for whichever unit they act, and a unit whose
    every account that could handle the matter stands aside. A unit without accounts here is not judged.
    """

    persons: frozenset[str]
    units: frozenset[str]


def aside(connection: Connection, persons: Iterable[str], units: Iterable[str]) -> Aside:
    persons, units = frozenset(persons), frozenset(units)
    if not persons and not units:
        return Aside(persons, units)
    theirs = staff.members(connection, persons=persons, units=units)
    persons |= {name for name, of in theirs if not units.isdisjoint(of)}
    maybe = {unit for _, of in theirs for unit in of} - units
    left = {unit for name, of in staff.members(connection, units=maybe) if name not in persons for unit in of}
    return Aside(persons, units | (maybe - left))


def aside_of(connection: Connection, ticket: AnyRow) -> Aside:
    return aside(connection, ticket.recused_persons, ticket.recused_units)


def by_office(playbook: Playbook, ticket: AnyRow, now: datetime) -> tuple[str, ...]:
    """The units that stand aside by the ticket's cause as it is."""
    return playbook.routing.recused_units(concern_of(playbook, ticket._asdict(), ticket.level_peak), now.date())


def named_units(entries: Iterable[Entry], ticket: AnyRow, office: Iterable[str]) -> list[str]:
    """Of the units that stand aside those that somebody named, as the thread tells it: they do so whatever the cause is.

    Threads of before that was told do not say whom the filing named; then it was whoever has no other reason (`office`).
    """
    named: list[str] = []
    for entry in entries:
        match entry.type:
            case EventType.CREATE:
                named = list(entry.data.get("named", set(ticket.recused_units) - set(office)))
            case EventType.MERGE:
                named += entry.data.get("named") or []
            case EventType.RECUSE:
                named += entry.data.get("units") or []
            case EventType.UNRECUSE:
                named = [unit for unit in named if unit not in (entry.data.get("units") or [])]
    return [unit for unit in ticket.recused_units if unit in named]


def check_handler(connection: Connection, ticket: AnyRow, *, owner: str | None = None, unit: str | None = None) -> None:
    """Raises RecusedError when a complaint would be handled by those whom it is about."""
    out = aside_of(connection, ticket)
    if owner is not None and owner in out.persons:
        raise RecusedError(
            f"{owner} 是被反映的人，或者属于被反映的部门，按回避要求不能经办；请换一位经办人。",
            details={"recused": [owner]},
        )
    if unit is not None and unit in out.units:
        raise RecusedError(
            f"{unit}是被反映的部门，或者人员都要回避，按回避要求不能承办；请换一个部门。", details={"recused": [unit]}
        )


def stand_aside(
    playbook: Playbook,
    connection: Connection,
    ticket: AnyRow,
    *,
    persons: Iterable[str],
    units: Iterable[str],
    now: datetime,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What changes in the ticket, and what its thread tells: those named have nothing to decide in it from now on.

    A ticket that their unit had goes to the next in order and has to be accepted there; one that a person had goes to
    another of the unit's people.
    """
    new_persons, new_units = set(persons) - set(ticket.recused_persons), set(units) - set(ticket.recused_units)
    all_persons = [*ticket.recused_persons, *sorted(new_persons)]
    all_units = [*ticket.recused_units, *sorted(new_units)]
    concern, day = concern_of(playbook, ticket._asdict(), ticket.level_peak), now.date()
    out = aside(connection, all_persons, all_units)
    last = playbook.routing.last_resort(out.units)
    changes: dict[str, Any] = {
        "recused_persons": all_persons,
        "recused_units": all_units,
        "copied": copies(playbook, concern, day, ticket.copied, out.units),
        **{name: last for name in ("responsible", "sent_by") if getattr(ticket, name) in out.units},
    }
    told: dict[str, Any] = {"persons": sorted(new_persons) or None, "units": sorted(new_units) or None}
    if ticket.route in out.units:
        found = way(playbook, concern, day, out.units)
        told |= {"route": {"from": ticket.route, "to": found["route"]}, "handed_over": True}
        return {**changes, **found, "owner": None}, told
    if ticket.owner in out.persons:
        handled = ticket.state in HANDLED_STATES
        owner = by_turns(playbook, connection, ticket, now, but=out.persons) if handled else None
        return {**changes, "owner": owner}, {**told, "owner": {"from": ticket.owner, "to": owner}}
    return changes, told


def by_turns(
    playbook: Playbook,
    connection: Connection,
    ticket: AnyRow,
    now: datetime,
    *,
    but: Set[str],
    usual: str | None = None,
) -> str | None:
    """The next owner within the ticket's unit: by turns where the playbook names its people (perhaps nobody is free),
    `usual` where it names none.
    """
    people = [handler for handler in playbook.routing.handlers if handler.unit == ticket.route]
    if not people:
        return usual
    repository.one_at_a_time(connection, f"owners of {ticket.route}")
    running = repository.running_of(connection, [handler.person for handler in people])
    codes = concern_of(playbook, ticket._asdict(), ticket.level_peak).all_codes
    return choose(people, codes=codes, day=now.date(), running=running, recused=but)
