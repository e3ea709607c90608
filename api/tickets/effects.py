"""What each type of event changes in a ticket, and what the thread tells of it.

Every function gets one step and returns both; it runs inside the step's transaction and may raise EventInvalidError.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from api.core.errors import invalid
from api.core.redaction import masked_phone, plain_phone
from api.core.security import BOT, Role
from api.tickets import handing, joining, merging, repository, stages, terms
from api.tickets.errors import EventInvalidError
from api.tickets.lifecycle import OPEN_STATES, EventType, PromiseKind
from api.tickets.placing import is_restricted, route_of, taken_by
from api.tickets.promises import Promise
from api.tickets.recusal import by_office, named_units
from api.tickets.schemas import CORRECTABLE, TELLABLE, TicketIn
from api.tickets.step import Effect, Step, as_kept, needed_text

_NEVER_EMPTY = ("nature", "cause_l1", "summary")
_HEARD = frozenset({EventType.COMMENT, EventType.CONTACT, EventType.URGE})
_CAUSES = ("cause_l1", "cause_l2", "cause_secondary")
_CLASS = ("nature", *_CAUSES)


def _comment(step: Step) -> Effect:
    """A note; with a customer's comment also what it tells that is new (3号令: new facts, or material that came in)."""
    event, ticket = step.event, step.ticket
    told = {"text": needed_text(step), "from_customer": event.from_customer or None}
    if not (event.facts or event.evidence or event.callback):
        return {}, told
    if not event.from_customer:
        raise EventInvalidError(
            "新的事实（facts）、材料（evidence）和回电（callback）只能随客户的话登记，请加上 from_customer。"
        )
    facts = _told_facts(step)
    if ticket.state not in OPEN_STATES:
        return {}, {**told, "facts": facts, "evidence": event.evidence or None}
    if event.callback and (step.heard or ticket).phone:
        repository.promise(
            step.connection, ticket.ticket_no, [Promise(PromiseKind.CALLBACK, ticket.first_contact_due_at)], step.now
        )
    more = (joining.EVIDENCE,) if event.evidence and _is_received(step) else ()
    changes, new = step.tickets.join(step.connection, ticket, facts, step.now, more=more)
    return changes, {**told, "evidence": event.evidence or None, **new}


def _is_received(step: Step) -> bool:
    """The bot hears material announced, which is a promise; staff receive it, and only that restarts the clock (3号令)."""
    number = step.ticket.ticket_no
    if step.by.role is Role.INTERNAL:
        repository.promise(step.connection, number, [Promise(PromiseKind.EVIDENCE)], step.now)
        return False
    repository.keep_promise(step.connection, number, PromiseKind.EVIDENCE, step.now)
    return True


def _told_facts(step: Step) -> dict[str, Any]:
    facts = {name: value for name, value in (step.event.facts or {}).items() if value and value.strip()}
    if unknown := sorted(set(facts) - set(TELLABLE)):
        raise EventInvalidError(f"客户可以补充的字段是：{'、'.join(TELLABLE)}。", details={"unknown": unknown})
    return _valid(step, facts)


def _urge(step: Step) -> Effect:
    count = step.ticket.urged_count + 1
    text = as_kept(step, step.event.text or "") or None
    return {"urged_count": count}, {"text": text, "count": count, "from_customer": step.event.from_customer or None}


def _correct(step: Step) -> Effect:
    fields = step.event.fields or {}
    unknown = sorted(set(fields) - set(CORRECTABLE))
    if not fields or unknown:
        raise EventInvalidError(f"可以更正的字段是：{'、'.join(CORRECTABLE)}。", details={"unknown": unknown})
    if emptied := [name for name in _NEVER_EMPTY if name in fields and not fields[name]]:
        raise EventInvalidError(f"不能清空：{'、'.join(emptied)}。", details={"emptied": emptied})
    changes = _valid(step, fields)
    changes |= _causes(step, changes)
    told = {name: {"from": getattr(step.ticket, name), "to": value} for name, value in changes.items()}
    changes["missing_fields"] = joining.still_missing(step.ticket.missing_fields, changes)
    if "phone" in told:
        told["phone"] = {side: masked_phone(value) for side, value in told["phone"].items()}
        changes["phone_index"] = step.tickets.phone_index(changes["phone"])
    if told.keys() & set(_CAUSES) and step.by.id != BOT:
        changes["classified_by"] = step.by.id
    moved = _reclassified(step, changes) if told.keys() & set(_CLASS) else {}
    if moved.get("route", step.ticket.route) == step.ticket.route:
        return {**changes, **moved}, {"fields": told}
    told["route"] = {"from": step.ticket.route, "to": moved["route"]}
    return {**changes, **moved}, {"fields": told, "handed_over": True}


def _causes(step: Step, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What follows for the cause: a detail brings its own along, and none stays under another cause, for it may seal."""
    taxonomy, ticket = step.tickets.playbook.taxonomy, step.ticket
    if unknown := sorted({code for name in _CAUSES if (code := changes.get(name))} - taxonomy.codes):
        raise EventInvalidError(f"没有 {'、'.join(unknown)} 这个原因代码。", details={"unknown": unknown})
    if not changes.keys() & {"cause_l1", "cause_l2"}:
        return {}
    detail = changes.get("cause_l2", ticket.cause_l2)
    above = taxonomy.cause(detail) if detail else None
    cause = changes.get("cause_l1", above.code if above else ticket.cause_l1)
    if detail and (above is None or above.code != cause):
        raise EventInvalidError(
            f"细项 {detail} 不属于 {cause}；请同时更正细项（cause_l2），没有合适的就清空。",
            details={"cause_l1": cause, "cause_l2": detail},
        )
    return {} if cause == ticket.cause_l1 else {"cause_l1": cause}


def _reclassified(step: Step, changes: dict[str, Any]) -> dict[str, Any]:
    """What follows from another nature or cause: the seal, who stands aside, and then who handles it.

    Who handled an open matter must not go on reading one that is sealed to another unit, nor handle one about themselves.
    """
    ticket, playbook = step.ticket, step.tickets.playbook
    matter = {name: changes.get(name, getattr(ticket, name)) for name in (*_CLASS, "branch", "classified_by")}
    level = ticket.level_peak
    found: dict[str, Any] = {"restricted": is_restricted(playbook, matter, level, step.now)}
    entries = repository.events_of(step.connection, ticket.ticket_no)
    units = named_units(entries, ticket, by_office(playbook, ticket, step.now))
    persons = ticket.recused_persons
    flow, out = route_of(step.connection, playbook, matter, level, step.now, persons=persons, units=units)
    found["recused_units"] = flow["recused_units"]
    if ticket.owner in out.persons:
        found["owner"] = None
    is_newly_sealed = found["restricted"] and ("nature" in changes or not ticket.restricted)
    if not is_newly_sealed and ticket.route not in out.units:
        return found
    found |= flow
    if found["route"] != ticket.route:
        answers = None if found["restricted"] else ticket.responsible
        found |= {"owner": None, **taken_by(playbook, answers, out.units)}
    return found


def with_level(step: Step, changes: dict[str, Any], told: dict[str, Any]) -> Effect:
    """Whoever heard the customer says how heated that was; the peak only rises."""
    level = step.event.level
    if level is None:
        return changes, told
    if step.event.type not in _HEARD:
        raise EventInvalidError("等级（level）只能随备注、联系客户或催办登记。")
    if level <= step.ticket.level_peak:
        return changes, told
    return {**changes, "level_peak": level}, {**told, "level": level}


def _valid(step: Step, fields: Mapping[str, str | None]) -> dict[str, Any]:
    """The values by the rules of filing."""
    spoken = {name: value and as_kept(step, value) for name, value in fields.items()}
    try:
        valid = TicketIn.model_validate({"narrative_raw": step.ticket.narrative_raw, **spoken})
    except ValidationError as error:
        raise invalid(error.errors()) from error
    changes = valid.model_dump(include=set(fields))
    return {**changes, "phone": plain_phone(valid.phone)} if "phone" in changes else changes


EFFECTS: Mapping[EventType, Callable[[Step], Effect]] = {
    **handing.EFFECTS,
    **stages.EFFECTS,
    **terms.EFFECTS,
    EventType.COMMENT: _comment,
    EventType.MERGE: merging.merge,
    EventType.SPLIT: merging.split,
    EventType.CORRECT: _correct,
    EventType.URGE: _urge,
}
