"""SQL of what staff see of conversations, which tickets are theirs, and of satisfaction."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, delete, func, insert, or_, select, union_all, update

from api.conversations.models import satisfaction
from api.core.models import AnyRow
from api.core.scopes import Scope
from api.core.security import Principal, Role
from api.dialogue.models import alerts, conversations
from api.tickets.links.models import ticket_talks
from api.tickets.models import tickets
from api.tickets.repository import visible_to

READERS = frozenset({Role.AGENT, Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN})

_c, _t, _j = conversations.c, tickets.c, ticket_talks.c


def page(connection: Connection, *, owner: str | None, before: tuple[datetime, str] | None, limit: int) -> list[AnyRow]:
    """Newest first, by last change."""
    c = conversations.c
    statement = select(
        c.id, c.channel, c.owner, c.handover_reason, c.cause_l1, c.level, c.level_peak, c.ticket_no, c.last_seq,
        c.created_at, c.updated_at,
    )  # fmt: skip
    if owner is not None:
        statement = statement.where(c.owner == owner)
    if before is not None:
        moment, last_id = before
        statement = statement.where((c.updated_at < moment) | ((c.updated_at == moment) & (c.id < last_id)))
    return list(connection.execute(statement.order_by(c.updated_at.desc(), c.id.desc()).limit(limit)))


def open_alerts(connection: Connection, conversation_ids: list[str]) -> list[AnyRow]:
    statement = select(alerts).where(alerts.c.conversation_id.in_(conversation_ids), alerts.c.acknowledged_at.is_(None))
    return list(connection.execute(statement.order_by(alerts.c.id)))


def newest_alert(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(alerts.c.id), 0))).scalar_one())


def alerts_after(connection: Connection, alert_id: int) -> list[AnyRow]:
    return list(connection.execute(select(alerts).where(alerts.c.id > alert_id).order_by(alerts.c.id).limit(100)))


def alert(connection: Connection, alert_id: int) -> AnyRow | None:
    return connection.execute(select(alerts).where(alerts.c.id == alert_id)).one_or_none()


def acknowledge(connection: Connection, alert_id: int, *, who: str, now: datetime) -> bool:
    """False when there is no such open alert."""
    statement = (
        update(alerts)
        .where(alerts.c.id == alert_id, alerts.c.acknowledged_at.is_(None))
        .values(acknowledged_at=now, acknowledged_by=who)
    )
    return connection.execute(statement).rowcount == 1


def rate(connection: Connection, values: dict[str, Any]) -> None:
    """A second opinion replaces the first."""
    connection.execute(delete(satisfaction).where(satisfaction.c.conversation_id == values["conversation_id"]))
    connection.execute(insert(satisfaction), values)


# Conversations and tickets. They belong together when the ticket was filed from the conversation, when the bot told it there,
# or when what was filed there joined it; what is merged into another ticket brings its conversations along.


def tickets_of(connection: Connection, conversation_ids: Collection[str]) -> dict[str, set[str]]:
    """By conversation; those without a ticket are not in it."""
    pairs = union_all(
        select(_c.id, _c.ticket_no).where(_c.id.in_(conversation_ids), _c.ticket_no.is_not(None)),
        select(_t.conversation_id, _t.ticket_no).where(_t.conversation_id.in_(conversation_ids)),
        select(_j.conversation_id, _j.ticket_no).where(_j.conversation_id.in_(conversation_ids)),
    )
    found: dict[str, set[str]] = defaultdict(set)
    for conversation_id, ticket_no in connection.execute(pairs):
        found[conversation_id].add(ticket_no)
    merged = select(_t.ticket_no, _t.parent_ticket).where(
        _t.ticket_no.in_({number for numbers in found.values() for number in numbers}), _t.parent_ticket.is_not(None)
    )
    parents = {number: parent for number, parent in connection.execute(merged)} if found else {}
    return {one: numbers | {parents[number] for number in numbers & parents.keys()} for one, numbers in found.items()}


def of_tickets(connection: Connection, numbers: Collection[str], *, merged: bool = True) -> list[str]:
    """`tickets_of` from the other side; without `merged` those of these tickets alone."""
    if merged:
        into = select(_t.ticket_no).where(_t.parent_ticket.in_(numbers))
        numbers = {*numbers, *connection.execute(into).scalars()}
    of = union_all(
        select(_t.conversation_id.label("id")).where(_t.ticket_no.in_(numbers), _t.conversation_id.is_not(None)),
        select(_j.conversation_id).where(_j.ticket_no.in_(numbers)),
        select(_c.id).where(_c.ticket_no.in_(numbers)),
    )
    return sorted(set(connection.execute(of).scalars()))


def belongs_to(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    """For a statement over conversations: there is a ticket of its own such as `which` say."""
    told = select(_t.id).where(_t.ticket_no == _c.ticket_no, *which)
    filed = select(_t.id).where(_t.conversation_id == _c.id, *which)
    joined = select(_t.id).join(ticket_talks, _j.ticket_no == _t.ticket_no).where(_j.conversation_id == _c.id, *which)
    return or_(*(one.correlate(conversations).exists() for one in (told, filed, joined)))


def may_read(connection: Connection, reader: Principal, conversation_id: str) -> bool:
    """False also when there is no such conversation."""
    limited = reader.scopes is not None and Scope.CONVERSATIONS_READ not in reader.scopes
    known = (
        reader.role in READERS
        and not limited
        and connection.execute(select(_c.id).where(_c.id == conversation_id)).first()
    )
    return bool(known) and not hidden_from(connection, reader, [conversation_id])


def hidden_from(connection: Connection, reader: Principal, conversation_ids: Collection[str]) -> set[str]:
    """Those of which a ticket is hidden from this reader: what was said in them is what stands in it."""
    found = tickets_of(connection, conversation_ids)
    numbers = {number for of in found.values() for number in of}
    if not numbers:
        return set()
    seen = select(_t.ticket_no, case((visible_to(reader), 1), else_=0)).where(_t.ticket_no.in_(numbers))
    hidden = {number for number, shown in connection.execute(seen) if not shown}
    return {conversation_id for conversation_id, of in found.items() if of & hidden}
