"""What staff and the bot do with a ticket: one event, one transaction, one row in the thread."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from api.core.errors import ForbiddenError, invalid
from api.core.models import AnyRow
from api.core.redaction import masked_phone, restore, scrub
from api.core.security import Principal, Role, same_secret
from api.tickets import repository
from api.tickets.clocks import extended
from api.tickets.errors import (
    EventInvalidError,
    IdempotencyConflictError,
    PublicTicketNotFoundError,
    TicketNotFoundError,
)
from api.tickets.lifecycle import EventType, State, may, next_state
from api.tickets.numbers import normal_number
from api.tickets.schemas import CORRECTABLE, EventIn, TicketIn
from api.tickets.service import Tickets, plain_phone, record

_LONGEST_RUN = 60  # days that a decision may take in all (3号令: 30日, then 30日 more)
_NEVER_EMPTY = ("nature", "cause_l1", "summary")


@dataclass(frozen=True, slots=True)
class _Step:
    """Everything one event is decided on."""

    tickets: Tickets
    connection: Connection
    ticket: AnyRow
    event: EventIn
    by: Principal
    now: datetime


# What changes in the row, and what the thread says about it.
_Effect = tuple[dict[str, Any], dict[str, Any]]


async def apply(tickets: Tickets, ticket_no: str, event: EventIn, *, key: str | None, by: Principal) -> AnyRow:
    """The ticket afterwards. Raises TicketNotFoundError, ForbiddenError, EventNotAllowedError or EventInvalidError, then nothing changed.

    With a key (a turn of the bot that may be tried again) the event happens once.
    """
    if not may(by.role, event.type):
        raise ForbiddenError
    ticket = await tickets.ctx.db.write(lambda connection: _apply(tickets, connection, ticket_no, event, key, by))
    tickets.announce(ticket)
    return ticket


def _apply(
    tickets: Tickets, connection: Connection, ticket_no: str, event: EventIn, key: str | None, by: Principal
) -> AnyRow:
    number = normal_number(ticket_no) or ticket_no
    ticket = repository.find(connection, number, lock=True)
    if ticket is None or not may_see(by, ticket):
        raise TicketNotFoundError
    if by.role is Role.INTERNAL and event.phone_tail is not None:
        check_tail(ticket.phone, event.phone_tail)
    step = _Step(tickets, connection, ticket, event, by, tickets.ctx.clock.now())
    if key is not None and not _first_time(step, key):
        return ticket
    state = next_state(State(ticket.state), event.type)
    changes, told = _EFFECTS[event.type](step)
    changes = {**changes, "state": state, "updated_at": step.now}
    repository.change(connection, number, changes)
    audience = "customer" if event.type in (EventType.WITHDRAW, EventType.RESOLVE, EventType.CLOSE) else "staff"
    after = {**ticket._asdict(), **changes}
    record(
        connection, ticket_no=number, kind=event.type, by=by, data=told, now=step.now, ticket=after, audience=audience
    )
    found = repository.find(connection, number)
    if found is None:
        raise TicketNotFoundError
    return found


def may_see(by: Principal, ticket: AnyRow) -> bool:
    return not ticket.restricted or by.sees_everything or by.unit == ticket.route


def _first_time(step: _Step, key: str) -> bool:
    """False for a key that was used for this event before; raises IdempotencyConflictError when it was for another."""
    scope, ticket_no = f"{step.by.id}:event", step.ticket.ticket_no
    fingerprint = hashlib.sha256(f"{ticket_no}\n{step.event.model_dump_json()}".encode()).hexdigest()
    if (known := repository.find_key(step.connection, scope, key)) is not None:
        if known.request_hash != fingerprint:
            raise IdempotencyConflictError(details={"ticket_no": known.ticket_no})
        return False
    values = {"request_hash": fingerprint, "ticket_no": ticket_no, "merged": False, "created_at": step.now}
    repository.keep_key(step.connection, {"scope": scope, "key": key, **values})
    return True


def check_tail(phone: str | None, tail: str) -> None:
    """Raises PublicTicketNotFoundError unless the last four digits agree."""
    digits = "".join(char for char in tail if char.isdigit())[-4:]
    if len(digits) != 4 or not phone or not same_secret(digits, phone[-4:]):
        raise PublicTicketNotFoundError


def _text(step: _Step) -> _Effect:
    if not (step.event.text or "").strip():
        raise EventInvalidError("请填写内容（text）。")
    return {}, {"text": _as_kept(step, step.event.text or ""), "from_customer": step.event.from_customer or None}


def _as_kept(step: _Step, text: str) -> str:
    """The text as it may be kept; the bot passes on a customer's words with placeholders."""
    text = scrub(text)
    if step.by.role is Role.INTERNAL and step.ticket.conversation_id:
        return restore(text, step.tickets.values_of(step.connection, step.ticket.conversation_id))
    return text


def _contact(step: _Step) -> _Effect:
    first = {} if step.ticket.first_contact_at else {"first_contact_at": step.now}
    return first, {"text": scrub(step.event.text or "")}


def _accept(step: _Step) -> _Effect:
    return {"accepted_at": step.now, "owner": step.event.owner or step.by.id}, {"owner": step.event.owner or step.by.id}


def _reject(step: _Step) -> _Effect:
    """Refusal needs a reason; the ticket goes back to the unit that is always responsible (首问负责)."""
    if step.event.reason is None:
        raise EventInvalidError("退回需要说明理由（reason）。")
    fallback = step.tickets.playbook.routing.fallback
    told = {"reason": step.event.reason, "from": step.ticket.route, "to": fallback}
    return {"route": fallback, "owner": None, "accepted_at": None}, told


def _assign(step: _Step) -> _Effect:
    if step.event.owner is None and step.event.route is None:
        raise EventInvalidError("请给出经办人（owner）或部门（route）。")
    changes = {name: value for name in ("owner", "route") if (value := getattr(step.event, name)) is not None}
    return changes, {name: {"from": getattr(step.ticket, name), "to": value} for name, value in changes.items()}


def _extend(step: _Step) -> _Effect:
    event, ticket = step.event, step.ticket
    if event.days is None or event.reason is None or event.approver is None:
        raise EventInvalidError("延期需要天数（days）、理由（reason）和批准人（approver）。")
    due_at = extended(ticket.due_at, event.days)
    if (due_at.date() - ticket.created_at.date()).days > _LONGEST_RUN:
        raise EventInvalidError(f"从登记到办结最长 {_LONGEST_RUN} 日，这次延期会超过。")
    told = {"days": event.days, "reason": event.reason, "approver": event.approver, "due_at": due_at}
    return {"due_at": due_at, "extended_days": ticket.extended_days + event.days}, told


def _resolve(step: _Step) -> _Effect:
    if step.event.outcome is None:
        raise EventInvalidError("请选择处理结果（outcome）。")
    changes = {name: getattr(step.event, name) for name in ("outcome", "root_cause", "corrective_action")}
    return {**changes, "resolved_at": step.now}, {**changes, "text": scrub(step.event.text or "")}


def _close(step: _Step) -> _Effect:
    return {"closed_at": step.now}, {"text": scrub(step.event.text or "")}


def _reopen(step: _Step) -> _Effect:
    if step.event.reason is None:
        raise EventInvalidError("重新打开需要说明理由（reason）。")
    changes = {"closed_at": None, "resolved_at": None, "withdrawn_at": None, "reopened": step.ticket.reopened + 1}
    return changes, {"reason": step.event.reason}


def _withdraw(step: _Step) -> _Effect:
    """The procedure ends the day the withdrawal is received (3号令第十五条)."""
    return {"withdrawn_at": step.now, "closed_at": step.now}, {"reason": step.event.reason}


def _merge(step: _Step) -> _Effect:
    into = repository.find(step.connection, normal_number(step.event.into or "") or "", lock=True)
    if into is None or into.ticket_no == step.ticket.ticket_no or not may_see(step.by, into):
        raise EventInvalidError("请给出要并入的另一张工单号（into）。")
    if into.state in (State.MERGED, State.WITHDRAWN, State.CLOSED):
        raise EventInvalidError("要并入的工单已经结束，请选一张办理中的工单。")
    repository.change(step.connection, into.ticket_no, {"repeat_count": into.repeat_count + 1, "updated_at": step.now})
    record(
        step.connection,
        ticket_no=into.ticket_no,
        kind=EventType.MERGE,
        by=step.by,
        data={"from": step.ticket.ticket_no},
        now=step.now,
        ticket=into._asdict(),
    )
    return {"parent_ticket": into.ticket_no, "closed_at": step.now}, {"into": into.ticket_no}


def _correct(step: _Step) -> _Effect:
    fields = step.event.fields or {}
    unknown = sorted(set(fields) - set(CORRECTABLE))
    if not fields or unknown:
        raise EventInvalidError(f"可以更正的字段是：{'、'.join(CORRECTABLE)}。", details={"unknown": unknown})
    changes = _corrected(step, fields)
    if (cause := changes.get("cause_l1")) is not None and step.tickets.playbook.taxonomy.cause(cause) is None:
        raise EventInvalidError(f"没有 {cause} 这个原因代码。")
    told = {name: {"from": getattr(step.ticket, name), "to": value} for name, value in changes.items()}
    if "cause_l1" in changes or "cause_l2" in changes:
        cause, detail = (changes.get(name, getattr(step.ticket, name)) for name in ("cause_l1", "cause_l2"))
        changes["restricted"] = step.tickets.is_restricted(cause, detail, step.now)
    if "phone" in told:
        told["phone"] = {side: masked_phone(value) for side, value in told["phone"].items()}
        changes["phone_index"] = step.tickets.phone_index(changes["phone"])
    return changes, {"fields": told}


def _corrected(step: _Step, fields: dict[str, str | None]) -> dict[str, Any]:
    """The new values by the rules of filing; what every ticket has cannot be emptied."""
    if emptied := [name for name in _NEVER_EMPTY if name in fields and not fields[name]]:
        raise EventInvalidError(f"不能清空：{'、'.join(emptied)}。", details={"emptied": emptied})
    spoken = {name: value and _as_kept(step, value) for name, value in fields.items()}
    try:
        valid = TicketIn.model_validate({"narrative_raw": step.ticket.narrative_raw, **spoken})
    except ValidationError as error:
        raise invalid(error.errors()) from error
    changes = valid.model_dump(include=set(fields))
    return {**changes, "phone": plain_phone(valid.phone)} if "phone" in changes else changes


_EFFECTS: Mapping[EventType, Callable[[_Step], _Effect]] = {
    EventType.COMMENT: _text,
    EventType.CONTACT: _contact,
    EventType.ACCEPT: _accept,
    EventType.REJECT: _reject,
    EventType.ASSIGN: _assign,
    EventType.EXTEND: _extend,
    EventType.RESOLVE: _resolve,
    EventType.CLOSE: _close,
    EventType.REOPEN: _reopen,
    EventType.WITHDRAW: _withdraw,
    EventType.MERGE: _merge,
    EventType.CORRECT: _correct,
}
