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
    ticket: dict[str, Any],
    audience: str = "staff",
) -> int:
    """An entry of the thread and its row in the outbox, together with whatever else the transaction has changed before.

    The entry's number in the ticket, which is the ticket's version from now on.
    """
    traces.changed(connection, by=by, kind=kind, ticket_no=ticket_no, now=now, reason=data.get("reason"))
    seq = repository.next_version(connection, ticket_no)
    entry = {"type": kind, "actor": traces.actor(by), "audience": audience, "data": data}
    repository.add_event(connection, {**entry, "ticket_no": ticket_no, "seq": seq, "created_at": now})
    handoff.add(
        connection,
        ticket_no=ticket_no,
        kind=kind,
        entry={"seq": seq, **entry, "at": now},
        restricted_to=ticket["route"] if ticket["restricted"] else None,
        now=now,
    )
    return seq


def adopt_evidence(connection: Connection, conversation_id: str, ticket: AnyRow, by: Principal, now: datetime) -> None:
    """What the customer has sent before there was a ticket belongs to it."""
    rows = evidence.adopt(connection, conversation_id, ticket.ticket_no)
    if rows:
        record(
            connection,
            ticket_no=ticket.ticket_no,
            kind=EventType.EVIDENCE,
            by=by,
            data=thread_item(rows, from_customer=True),
            now=now,
            ticket=ticket._asdict(),
            audience="customer",
        )
