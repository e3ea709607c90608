"""Who has a ticket: accepting, refusing, handing on, and standing aside.

首问负责: whoever sent a ticket stays `responsible` until the unit it was sent to accepts it; first of all that is the unit
that took the complaint (`intake_owner`).
"""

from collections.abc import Callable, Mapping
from typing import Any

from api.core.errors import ApiError
from api.tickets import repository
from api.tickets.access import serves_all
from api.tickets.accounts import repository as staff
from api.tickets.errors import EventInvalidError
from api.tickets.lifecycle import EventType
from api.tickets.notices import repository as notices
from api.tickets.recusal import aside_of, by_office, by_turns, check_handler, named_units, stand_aside
from api.tickets.step import Effect, Step, needed_reason


class RefusalNotAllowedError(ApiError):
    """The unit where a ticket ends that everybody has refused; it can only hand it on."""

    status, code = 409, "refusal_not_allowed"


def _accept(step: Step) -> Effect:
    """By the owner named now or when it was sent here, else by turns."""
    ticket = step.ticket
    check_handler(step.connection, ticket, owner=step.event.owner, unit=ticket.route)
    _check_owner(step, ticket.route)
    but = aside_of(step.connection, ticket).persons
    sent_to = ticket.owner if ticket.owner not in but else None
    owner = step.event.owner or sent_to
    owner = owner or by_turns(step.tickets.playbook, step.connection, ticket, step.now, but=but, usual=step.by.id)
    return {"owner": owner, "responsible": ticket.route}, {"owner": owner, "responsible": ticket.route}


def _reject(step: Step) -> Effect:
    """Refusal needs a reason; the ticket goes back to whoever sent it, and after some refusals it stays."""
    reason, ticket, routing = needed_reason(step, "退回"), step.ticket, step.tickets.playbook.routing
    out = aside_of(step.connection, ticket)
    last = routing.last_resort(out.units)
    if ticket.route == last:
        raise RefusalNotAllowedError(f"{last}不能退回工单；不归本部门办的，请转派给对口部门。", details={"route": last})
    count = ticket.refused_count + 1
    to, stays = ticket.sent_by or last, count >= routing.refusals_allowed(step.now.date())
    # What is sealed is not sent back the way it came, where others would read it.
    if stays or ticket.restricted or to in (ticket.route, *out.units):
        to = last
    if stays:
        _tell_last(step, last, count)
    told = {"reason": reason, "route": {"from": ticket.route, "to": to}, "count": count, "responsible": to}
    back = {"route": to, "responsible": to, "sent_by": ticket.intake_owner or last}
    return {**back, "owner": None, "refused_count": count}, told


def _tell_last(step: Step, unit: str, count: int) -> None:
    number = step.ticket.ticket_no
    notices.add(
        step.connection,
        kind="refused",
        text=f"工单 {number} 已被退回 {count} 次，现由{unit}负责，不能再退回；请直接办理或转派。",
        level=2,
        unique_key=f"refused:{number}:{count}",
        now=step.now,
        ticket_no=number,
        to_unit=unit,
        restricted_to=unit if step.ticket.restricted else None,
    )


def _assign(step: Step) -> Effect:
    """Another unit has to accept it first; another owner within the unit goes on with the work."""
    event, ticket = step.event, step.ticket
    if event.owner is None and event.route is None:
        raise EventInvalidError("请给出经办人（owner）或部门（route）。")
    check_handler(step.connection, ticket, owner=event.owner, unit=event.route)
    if event.route not in (None, ticket.route):
        _check_known(step, str(event.route))
    _check_owner(step, event.route or ticket.route)
    changes: dict[str, Any] = {
        name: value for name in ("owner", "route") if (value := getattr(event, name)) is not None
    }
    told = {name: {"from": getattr(ticket, name), "to": value} for name, value in changes.items()}
    if event.route is None or event.route == ticket.route:
        return changes, told
    sender = ticket.responsible or ticket.route
    return {"owner": None, **changes, "sent_by": sender}, {**told, "handed_over": True, "responsible": sender}


def _check_known(step: Step, unit: str) -> None:
    """A unit of the playbook, or one that somebody belongs to: in any other nobody would ever find the ticket."""
    known = {*step.tickets.playbook.routing.units, *staff.units_of_staff(step.connection)}
    if unit not in known:
        raise EventInvalidError(
            f"没有“{unit}”这个部门；可以转派给：{'、'.join(sorted(known))}。", details={"known": sorted(known)}
        )


def _check_owner(step: Step, unit: str) -> None:
    """An owner decides whatever unit they are of: whoever acts for one unit makes nobody of another one the owner."""
    owner, by = step.event.owner, step.by
    if owner in (None, step.ticket.owner) or serves_all(by):
        return
    named = staff.members(step.connection, persons={str(owner)}, units=frozenset())
    theirs = set(by.units) if owner == by.id else {of for _, units in named for of in units}
    if theirs and unit not in theirs:
        raise EventInvalidError(
            f"{owner} 不是{unit}的人，不能做这个部门的经办人；请换一位，或者只转派给部门，由对方受理时确定经办人。"
        )


def _recuse(step: Step) -> Effect:
    event, reason = step.event, needed_reason(step, "回避")
    if event.person is None and event.unit is None:
        raise EventInvalidError("请给出要回避的人（person，用户名）或部门（unit）。")
    persons, units = ([one] if one else [] for one in (event.person, event.unit))
    changes, told = stand_aside(
        step.tickets.playbook, step.connection, step.ticket, persons=persons, units=units, now=step.now
    )
    # Also where it stood aside by the cause before: a correction of that does not end what was named.
    return changes, {**told, "units": units or None, "reason": reason}


def _unrecuse(step: Step) -> Effect:
    """What was named by mistake is taken back; who stands aside by the cause does so until that is corrected."""
    event, ticket, reason = step.event, step.ticket, needed_reason(step, "解除回避")
    if event.person is None and event.unit is None:
        raise EventInvalidError("请给出不用再回避的人（person，用户名）或部门（unit）。")
    if event.person is not None and event.person not in ticket.recused_persons:
        raise EventInvalidError(f"{event.person} 没有列在回避的人里。", details={"recused": ticket.recused_persons})
    office = by_office(step.tickets.playbook, ticket, step.now)
    named = named_units(repository.events_of(step.connection, ticket.ticket_no), ticket, office)
    if event.unit is not None and event.unit not in named:
        why = "是按原因回避的；原因登记错了，请更正（correct）原因" if event.unit in office else "没有列在回避的部门里"
        raise EventInvalidError(f"{event.unit}{why}。", details={"recused": ticket.recused_units})
    left = [unit for unit in ticket.recused_units if unit != event.unit or unit in office]
    changes = {"recused_units": left, "recused_persons": [one for one in ticket.recused_persons if one != event.person]}
    persons, units = ([one] if one else None for one in (event.person, event.unit))
    return changes, {"persons": persons, "units": units, "reason": reason}


EFFECTS: Mapping[EventType, Callable[[Step], Effect]] = {
    EventType.ACCEPT: _accept,
    EventType.REJECT: _reject,
    EventType.ASSIGN: _assign,
    EventType.RECUSE: _recuse,
    EventType.UNRECUSE: _unrecuse,
}
