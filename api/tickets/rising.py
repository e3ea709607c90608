"""A level that rises in a ticket: the routing rules are asked again. Pure.

Only a rule that wins by the new level counts, and never one below the unit that has the ticket. Then

- a running ticket goes to the rule's unit, which has to accept it: until then whoever answered for it still does (首问负责),
  and the unit that had it reads along by a copy, so that nobody who works on it loses sight of it;
- an answered or ended one stays, for there is nothing to accept, and so does one whose unit only a higher level would name:
  the rule's unit gets a copy;
- a sealed one that its unit works on stays sealed to that unit alone: the rule's unit hears that it should ask there. Nobody
  works yet on one that is new: it goes to the rule's unit, sealed;
- one that the rule seals goes to the rule's unit whatever its state, and who had it reads no more of it.

Both units are told in each case; in danger (level 4) also those whom the rule gives a copy, unless the matter is sealed.

What was told while a ticket was answered or ended counts when it is opened again (`peak_when_stopped`).
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from api.core.models import AnyRow
from api.tickets.lifecycle import HANDLED_STATES, RUNNING_STATES, Entry, EventType, State, after
from api.tickets.routing import concern_of, copies
from contract.playbook import Playbook
from contract.routing import Route, Routing

DANGER = 4


@dataclass(frozen=True, slots=True)
class Risen:
    """What changes in the ticket, what its thread tells, and the notice with the units that get it."""

    changes: dict[str, Any]
    told: dict[str, Any]
    text: str
    units: tuple[str, ...]
    sealed: bool


def risen(playbook: Playbook, ticket: AnyRow, before: int, now: datetime, recused: Set[str]) -> Risen | None:
    """`ticket` as it stands since its level rose from `before`; None: no other rule decides now."""
    rule = _new_rule(playbook, ticket, before, now.date(), recused)
    if rule is None:
        return None
    sealed_now = rule.restricted and not ticket.restricted
    moves = rule.handler != ticket.route and (sealed_now or _may_move(playbook.routing, ticket, rule, now.date()))
    changes: dict[str, Any] = {}
    if rule.restricted or not ticket.restricted:
        changes["copied"] = _copied(playbook, ticket, rule, now.date(), recused, moves=moves)
    if sealed_now:
        changes["restricted"] = True
    told: dict[str, Any] = {"reason": f"等级升到 {ticket.level_peak}"}
    if moves:
        changes |= _moved(playbook.routing, ticket, rule.handler, recused, sealed_now=sealed_now)
        told |= {"route": {"from": ticket.route, "to": rule.handler}, "handed_over": True}
        told["responsible"] = changes["responsible"]
    changed = {name: value for name, value in changes.items() if value != getattr(ticket, name)}
    if not changed and rule.handler == ticket.route:
        return None
    if "copied" in changed:
        told["copied"] = changed["copied"]
    text = _text(ticket, rule, moves=moves, sealed_now=sealed_now, responsible=changes.get("responsible"))
    sealed = sealed_now or ticket.restricted
    concern = concern_of(playbook, ticket._asdict(), ticket.level_peak)
    along = copies(playbook, concern, now.date(), rule.copied, recused) if ticket.level_peak >= DANGER else []
    units = tuple(dict.fromkeys((rule.handler, ticket.route, *(() if sealed else along))))
    return Risen(changed, told, text, units, sealed)


def peak_when_stopped(entries: Iterable[Entry]) -> int:
    """The level that was known when the decision was last given, or the ticket ended without one."""
    peak, known, state = 0, 0, State.NEW
    for entry in entries:
        peak = max(peak, entry.data.get("level") or 0)
        was, state = state, after(state, EventType(entry.type), entry.data)
        if was in RUNNING_STATES and state not in RUNNING_STATES:
            known = peak
    return known


def _new_rule(playbook: Playbook, ticket: AnyRow, before: int, day: date, recused: Set[str]) -> Route | None:
    matter = ticket._asdict()
    was, found = (
        playbook.routing.route(concern_of(playbook, matter, level), day, recused)
        for level in (before, ticket.level_peak)
    )
    return found if found is not was else None


def _may_move(routing: Routing, ticket: AnyRow, rule: Route, day: date) -> bool:
    if ticket.restricted and ticket.state in HANDLED_STATES:
        return False
    above = any(
        route.handler == ticket.route and (route.level_min or 0) > (rule.level_min or 0)
        for route in routing.routes
        if route.holds_on(day)
    )
    return ticket.state in RUNNING_STATES and not above


def _copied(playbook: Playbook, ticket: AnyRow, rule: Route, day: date, recused: Set[str], *, moves: bool) -> list[str]:
    """Whoever has been told stays in the know, unless the rule seals."""
    concern = concern_of(playbook, ticket._asdict(), ticket.level_peak)
    new = copies(playbook, concern, day, rule.copied, recused)
    if rule.restricted:
        return new
    handler, beside = (rule.handler, ticket.route) if moves else (ticket.route, rule.handler)
    return [unit for unit in dict.fromkeys([*new, *ticket.copied, beside]) if unit != handler]


def _moved(routing: Routing, ticket: AnyRow, to: str, recused: Set[str], *, sealed_now: bool) -> Mapping[str, Any]:
    """Who answered for what is sealed now may not read it any more."""
    answers = routing.last_resort(recused) if sealed_now else ticket.responsible or ticket.route
    return {"route": to, "owner": None, "responsible": answers, "sent_by": answers}


def _text(ticket: AnyRow, rule: Route, *, moves: bool, sealed_now: bool, responsible: str | None) -> str:
    rose = f"工单 {ticket.ticket_no} 的等级升到 {ticket.level_peak}"
    if sealed_now:
        return f"{rose}，按对口规则由{rule.handler}保密办理；原承办部门（{ticket.route}）请移交手上的材料，不再查看。"
    if moves:
        until = (
            f"受理之前仍由{responsible}负责"
            if ticket.restricted
            else f"受理之前仍由{responsible}负责，原承办部门可继续查看"
        )
        return f"{rose}，按对口规则由{ticket.route}转{rule.handler}；{until}。"
    if rule.handler == ticket.route:
        return f"{rose}，仍由{ticket.route}办理，抄送的部门有变化。"
    if ticket.restricted:
        return f"{rose}，保密工单，仍由{ticket.route}办理；{rule.handler}请与该部门联系。"
    return f"{rose}，仍由{ticket.route}办理，{rule.handler}收到抄送，请一并跟进。"
