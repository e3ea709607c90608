"""What the audit chain keeps of tickets: every change by field, and every reading of personal data."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from api.core import audit
from api.core.models import AnyRow
from api.core.security import Principal, Role
from api.tickets.models import read_audit, tickets

_LISTED = frozenset({"name", "phone", "summary"})

_MANY = "*"
ACTOR_BOT = "bot"  # what threads and the audit chain call the dialogue; its own id is security.BOT


def actor(by: Principal) -> str:
    return ACTOR_BOT if by.role is Role.INTERNAL else by.id


def changed(
    connection: Connection, *, by: Principal, kind: str, ticket_no: str, now: datetime, reason: str | None = None
) -> None:
    """One entry of the thread; what the transaction has changed in the row so far goes with it. The thread has the reason."""
    told = audit.digest(connection, "reason", reason) if reason else None
    audit.note(connection, who=actor(by), action=f"ticket.{kind}", subject=ticket_no, now=now, reason=told)


def read(connection: Connection, *, by: Principal, ticket: AnyRow, now: datetime) -> None:
    """One ticket in full."""
    shown = [name for name in audit.personal_columns(tickets) if getattr(ticket, name, None) is not None]
    audit.note(connection, who=actor(by), action="ticket.read", subject=ticket.ticket_no, now=now, fields=shown)


def downloaded(connection: Connection, *, by: Principal, ticket_no: str, attachment_id: str, now: datetime) -> None:
    """A file of evidence; who it shows is not known, so it counts as personal data in any case."""
    told = {"attachment_id": (None, attachment_id)}
    audit.note(
        connection,
        who=actor(by),
        action="ticket.download",
        subject=ticket_no,
        now=now,
        fields=("attachment",),
        changes=told,
    )


def listed(connection: Connection, *, by: Principal, ticket_nos: Iterable[str], now: datetime, by_phone: bool) -> None:
    """A page of the list: names in full, phones masked. A search by phone names who belongs to it, so it is told apart."""
    told = {"ticket_nos": (None, list(ticket_nos)), "by_phone": (None, by_phone)}
    audit.note(connection, who=actor(by), action="ticket.list", subject=_MANY, now=now, fields=_LISTED, changes=told)


def exported(
    connection: Connection, *, by: Principal, filters: Mapping[str, Any], ticket_nos: Iterable[str], now: datetime
) -> None:
    """A page of an export: an entry holds as many numbers as a page has rows, and an export makes as many as it has pages."""
    told = {name: (None, value) for name, value in filters.items() if value is not None}
    told["ticket_nos"] = (None, list(ticket_nos))
    audit.note(connection, who=actor(by), action="ticket.export", subject=_MANY, now=now, fields=_LISTED, changes=told)


def pulled(connection: Connection, *, by: Principal, ticket_nos: Iterable[str], personal: str, now: datetime) -> None:
    """Another system took events with personal data in them, `masked` or `full`."""
    told = {"ticket_nos": (None, sorted(set(ticket_nos))), "personal": (None, personal)}
    fields = audit.personal_columns(tickets)
    audit.note(connection, who=actor(by), action="ticket.pull", subject=_MANY, now=now, fields=fields, changes=told)


def adopt(connection: Connection) -> None:
    """Chains the readings that a version before this one kept in a table of their own, and empties that."""
    rows = connection.execute(select(read_audit).order_by(read_audit.c.id)).all()
    for row in rows:
        what = {"detail": "ticket.read"}.get(row.what, f"ticket.{row.what}")
        audit.note(connection, who=row.who, action=what, subject=row.ticket_no, now=row.created_at)
    if rows:
        connection.execute(delete(read_audit).where(read_audit.c.id <= rows[-1].id))
