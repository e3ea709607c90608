"""Entries of a ticket's thread: each with its row in the outbox and its trace in the audit."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.core.models import AnyRow
from api.core.security import Principal
from api.tickets import repository, traces
from api.tickets.evidence import repository as evidence
from api.tickets.evidence.schemas import thread_item
from api.tickets.handoff import repository as handoff
from api.tickets.lifecycle import EventType


def record(
    connection: Connection,
    *,
    ticket_no: str,
    kind: EventType,
    by: Principal,
    data: dict[str, Any],
    now: datetime,
    audience: str = "staff",
) -> AnyRow:
    """An entry of the thread and its row in the outbox, together with whatever else the transaction has changed before.

    The ticket as it then stands: the entry's number is its version.
    """
    ticket = repository.next_version(connection, ticket_no)
    _enter(connection, ticket, kind, by=by, data=data, now=now, audience=audience)
    return ticket


def begin(connection: Connection, ticket: AnyRow, *, by: Principal, data: dict[str, Any], now: datetime) -> None:
    """The first entry, of a ticket that has just been stored and counts it already."""
    _enter(connection, ticket, EventType.CREATE, by=by, data=data, now=now, audience="staff")


def _enter(
    connection: Connection,
    ticket: AnyRow,
    kind: EventType,
    *,
    by: Principal,
    data: dict[str, Any],
    now: datetime,
    audience: str,
) -> None:
    ticket_no, seq = ticket.ticket_no, ticket.version
    traces.changed(connection, by=by, kind=kind, ticket_no=ticket_no, now=now, reason=data.get("reason"))
    entry = {"type": kind, "actor": traces.actor(by), "audience": audience, "data": data}
    repository.add_event(connection, {**entry, "ticket_no": ticket_no, "seq": seq, "created_at": now})
    handoff.add(connection, ticket, kind=kind, entry={"seq": seq, **entry, "at": now}, now=now)


def adopt_evidence(connection: Connection, conversation_id: str, ticket_no: str, by: Principal, now: datetime) -> None:
    """What the customer has sent before there was a ticket belongs to it."""
    rows = evidence.adopt(connection, conversation_id, ticket_no)
    if rows:
        record(
            connection,
            ticket_no=ticket_no,
            kind=EventType.EVIDENCE,
            by=by,
            data=thread_item(rows, from_customer=True),
            now=now,
            audience="customer",
        )
