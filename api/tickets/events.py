"""What staff and the bot do with a ticket: one event, one transaction, one row in the thread."""

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from api.core.bus import Event
from api.core.clock import rfc3339
from api.core.errors import ApiError, ForbiddenError
from api.core.models import AnyRow
from api.core.security import Principal, Role
from api.tickets import joining, repository
from api.tickets.access import check_tail, check_unit
from api.tickets.effects import EFFECTS, with_level
from api.tickets.errors import IdempotencyConflictError, TicketNotFoundError
from api.tickets.lifecycle import (
    EVENT_LABELS,
    EventType,
    State,
    after,
    audience_of,
    check_allowed,
    may,
    moments,
    numbered,
)
from api.tickets.links.repository import living
from api.tickets.merging import concerned
from api.tickets.numbers import normal_number
from api.tickets.passing import goes_on, pass_on
from api.tickets.recusal import check_actor
from api.tickets.schemas import EventIn
from api.tickets.service import Tickets
from api.tickets.step import Step

RATING = "您反映的事已办结（工单{ticket_no}）。愿意的话，请给这次处理打个分，我们会用来改进。"


class VersionConflictError(ApiError):
    """Something happened to the ticket since the caller looked at it; `details.since` says what."""

    status, code = 409, "version_conflict"


@dataclass(frozen=True, slots=True)
class Applied:
    """The ticket afterwards, what was new in the event, and what was said in the customer's window.

    `living`: the ticket itself, or the one that it was merged into.
    """

    ticket: AnyRow
    living: AnyRow
    told: dict[str, Any]
    said: tuple[Event, ...] = ()


async def apply(tickets: Tickets, ticket_no: str, event: EventIn, *, key: str | None, by: Principal) -> Applied:
    """Raises TicketNotFoundError, ForbiddenError, VersionConflictError, EventNotAllowedError or EventInvalidError, then
    nothing changed.

    With a key (a turn of the bot that may be tried again) the event happens once.
    """
    if not may(by.role, event.type):
        raise ForbiddenError
    applied = await tickets.ctx.db.write(lambda connection: _apply(tickets, connection, ticket_no, event, key, by))
    tickets.announce(applied.ticket, *applied.said)
    if applied.living.ticket_no != applied.ticket.ticket_no:
        tickets.announce(applied.living)
    return applied


def _apply(
    tickets: Tickets, connection: Connection, ticket_no: str, event: EventIn, key: str | None, by: Principal
) -> Applied:
    number = normal_number(ticket_no) or ticket_no
    if len(together := concerned(connection, number, event)) > 1:
        repository.lock(connection, together)
    ticket = repository.find(connection, number, lock=True, seen_by=by)
    if ticket is None:
        raise TicketNotFoundError
    if by.role is Role.INTERNAL and event.phone_tail is not None:
        check_tail(ticket.phone, event.phone_tail)
    step = Step(tickets, connection, ticket, event, by, tickets.ctx.clock.now())
    if key is not None and (known := _done_before(step, key)) is not None:
        return _applied(step, known.told)
    _check_version(step)
    told = pass_on(step, _happens) if goes_on(step) else _happens(step)
    if key is not None:
        _remember(step, key, joining.answer(told))
    return _applied(step, told)


def _applied(step: Step, told: dict[str, Any] | None) -> Applied:
    ticket = step.tickets.existing(step.connection, step.ticket.ticket_no)
    return Applied(
        ticket,
        living(step.connection, ticket.ticket_no) or ticket,
        joining.answer(told),
        tuple(step.said),
    )


def _happens(step: Step) -> dict[str, Any]:
    """The event itself: what it changes, what follows from the state it leads to, and the entry that tells it."""
    ticket, kind = step.ticket, step.event.type
    check_allowed(State(ticket.state), kind)
    check_actor(step.by, ticket, kind)
    check_unit(step.by, ticket, kind)
    changes, told = EFFECTS[kind](step)
    changes, told = with_level(step, changes, told)
    state = after(State(ticket.state), kind, told, ticket.outcome)
    changes = {**moments(ticket, state, step.now), **changes, "state": state, "updated_at": step.now}
    if step.heard is not None:
        told = {**told, "passed_from": step.heard.ticket_no}
    audience = audience_of(kind, told)
    step.tickets.enter(step.connection, ticket, kind, changes, told, by=step.by, now=step.now, audience=audience)
    if kind is EventType.CLOSE:
        _ask_rating(step)
    if kind is EventType.COMMENT and step.event.from_customer:
        there = step.tickets.existing(step.connection, ticket.ticket_no)
        step.tickets.resume_for_customer(step.connection, there, step.by, step.now)
    return told


def _check_version(step: Step) -> None:
    """Two tabs, two people: whoever decides on an old sight of the ticket hears what has happened since."""
    expected, version = step.event.expected_version, step.ticket.version
    if expected is None or expected == version:
        return
    thread = repository.events_of(step.connection, step.ticket.ticket_no)
    entries = [entry for seq, entry in numbered(thread) if seq > expected]
    since = [
        {"seq": entry.seq, "type": entry.type, "actor": entry.actor, "at": rfc3339(entry.created_at)}
        for entry in entries
    ]
    named = "、".join(f"{entry.actor} {EVENT_LABELS[EventType(entry.type)]}" for entry in entries[-3:])
    happened = f"又有了新的经过（{named}）" if named else "已经不是这个版本"
    raise VersionConflictError(
        f"这张工单在您打开之后{happened}，请看过最新内容再操作。", details={"version": version, "since": since}
    )


def _ask_rating(step: Step) -> None:
    """Satisfaction is asked when the case ends, not when the conversation does."""
    if not step.ticket.conversation_id:
        return
    text = RATING.format(ticket_no=step.ticket.ticket_no)
    said = step.tickets.ask_rating(step.connection, step.ticket.conversation_id, text, step.now)
    step.said.extend([said] if said else [])


def _done_before(step: Step, key: str) -> AnyRow | None:
    """None for a new key; raises IdempotencyConflictError when it was used for another event."""
    known = repository.find_key(step.connection, _scope(step), key)
    if known is not None and known.request_hash != _fingerprint(step):
        raise IdempotencyConflictError(details={"ticket_no": known.ticket_no})
    return known


def _remember(step: Step, key: str, told: dict[str, Any]) -> None:
    used = {"scope": _scope(step), "key": key, "request_hash": _fingerprint(step), "ticket_no": step.ticket.ticket_no}
    repository.keep_key(step.connection, {**used, "merged": False, "told": told, "created_at": step.now})


def _scope(step: Step) -> str:
    return f"{step.by.id}:event"


def _fingerprint(step: Step) -> str:
    return hashlib.sha256(
        f"{step.ticket.ticket_no}\n{step.event.model_dump_json(exclude_defaults=True)}".encode()
    ).hexdigest()
