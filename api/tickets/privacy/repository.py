"""SQL of consents, retention and the end of personal data."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, String, Table, and_, cast, delete, func, insert, or_, select, update

from api.core.crypto import EncryptedBytes, EncryptedJson
from api.core.models import AnyRow, audit
from api.tickets.handoff.repository import ERASED, add_last_word
from api.tickets.links.models import ticket_links, ticket_talks
from api.tickets.models import idempotency, promises, ticket_events, tickets
from api.tickets.privacy.models import consents
from api.tickets.search import repository as search

REMOVED = "（已去除个人信息）"

# What else names somebody, or is free text of the caller's: not encrypted, because it is searched or counted.
_PLAIN: dict[str, Any] = {
    "phone_index": None,
    "special_group": [],
    "tags": [],
    "sources": {},
    "product": None,
    "conversation_id": None,
}
# Codes, counts and dates: what a ticket's state and clocks are derived from (lifecycle.state_of, clocks.py); all else goes.
_KEPT = frozenset(
    "outcome for into handed_over policy days due_at clock_restarted level count promise_met validity complexity route"
    " copied from_customer merged from received extended_days restored ticket_no entry passed_to passed_from"
    " created first_contact_at first_contact_due_at earlier".split()
)

_t, _e, _c = tickets.c, ticket_events.c, consents.c


# Consents


def add_consent(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(insert(consents), values)


def consents_of(connection: Connection, *, ticket_no: str | None, conversation_id: str | None) -> list[AnyRow]:
    of = [_c.ticket_no == ticket_no] if ticket_no else []
    of += [_c.conversation_id == conversation_id] if conversation_id else []
    return list(connection.execute(select(consents).where(or_(*of)).order_by(_c.id))) if of else []


def withdraw(connection: Connection, ids: Sequence[int], *, by: str, reason: str | None, now: datetime) -> None:
    values = {"withdrawn_at": now, "withdrawn_by": by, "withdrawal_reason": reason}
    connection.execute(update(consents).where(_c.id.in_(ids), _c.withdrawn_at.is_(None)).values(values))


def forget_reasons(connection: Connection, conversation_id: str) -> None:
    """Why consent was withdrawn, in the customer's words: they end with the conversation. That it was, and when, stays."""
    connection.execute(update(consents).where(_c.conversation_id == conversation_id).values(withdrawal_reason=None))


# Whose data


def tickets_of_phone(connection: Connection, indexes: Sequence[str]) -> list[AnyRow]:
    return list(connection.execute(select(tickets).where(_t.phone_index.in_(indexes)).order_by(_t.id)))


def with_data(connection: Connection, numbers: Collection[str]) -> list[AnyRow]:
    """Those of these tickets that still have their data."""
    mine = (_t.ticket_no.in_(numbers), _t.anonymised_at.is_(None))
    return list(connection.execute(select(tickets).where(*mine).order_by(_t.id)))


def merged_without_phone(connection: Connection, numbers: Collection[str]) -> list[str]:
    """What staff merged into these tickets and has no phone of its own: the same person's, not perhaps another's."""
    mine = (_t.parent_ticket.in_(numbers), _t.phone_index.is_(None), _t.anonymised_at.is_(None))
    return list(connection.execute(select(_t.ticket_no).where(*mine)).scalars())


def told_to_customer(connection: Connection, ticket_no: str) -> list[AnyRow]:
    """Without what came by the number of a merged ticket, which tells it to whoever said it."""
    statement = select(ticket_events).where(_e.ticket_no == ticket_no, _e.audience == "customer").order_by(_e.id)
    return [row for row in connection.execute(statement) if "passed_from" not in row.data]


def from_customer(connection: Connection, ticket_no: str) -> list[AnyRow]:
    """Entries in the customer's own words, which are theirs although staff alone read them in the thread."""
    rows = connection.execute(
        select(ticket_events).where(_e.ticket_no == ticket_no, _e.audience == "staff").order_by(_e.id)
    )
    theirs = [row for row in rows if row.data.get("from_customer") or row.data.get("narrative_raw")]
    return [row for row in theirs if "passed_from" not in row.data]


def readers_of(connection: Connection, ticket: AnyRow, conversation_ids: Collection[str]) -> list[AnyRow]:
    """Who read, fetched or exported it or what was said, from the audit chain; entries of many name it among others."""
    a, named = audit.c, cast(audit.c.changes, String).contains(json.dumps(ticket.ticket_no), autoescape=True)
    read = or_(
        and_(a.subject == ticket.ticket_no, a.action.in_(("ticket.read", "ticket.download", "person.export"))),
        and_(a.subject.in_(conversation_ids), a.action == "conversation.read"),
        and_(a.subject == "*", a.action.in_(("ticket.list", "ticket.pull", "ticket.export")), named),
    )
    return list(connection.execute(select(a.at, a.who, a.action, a.fields).where(read).order_by(a.seq)))


# Retention


def closed_without_end(connection: Connection, limit: int) -> list[AnyRow]:
    """Tickets whose `retention_until` has still to be set."""
    statement = select(_t.ticket_no, _t.closed_at).where(
        _t.closed_at.is_not(None), _t.retention_until.is_(None), _t.anonymised_at.is_(None)
    )
    return list(connection.execute(statement.order_by(_t.id).limit(limit)))


def set_retention(connection: Connection, ticket_no: str, until: datetime | None) -> None:
    connection.execute(update(tickets).where(_t.ticket_no == ticket_no).values(retention_until=until))


def clear_reopened(connection: Connection) -> int:
    """A ticket that was opened again is kept from its next end on."""
    reopened = update(tickets).where(_t.closed_at.is_(None), _t.retention_until.is_not(None))
    return connection.execute(reopened.values(retention_until=None)).rowcount


def expired(connection: Connection, now: datetime, limit: int, *, held: bool = False) -> list[AnyRow]:
    """Due for the end of its personal data; with `held` those that a hold keeps from it."""
    hold = _t.legal_hold_at.is_not(None) if held else _t.legal_hold_at.is_(None)
    statement = select(tickets).where(
        _t.retention_until <= now, _t.closed_at.is_not(None), _t.anonymised_at.is_(None), hold
    )
    return list(connection.execute(statement.order_by(_t.id).limit(limit)))


def count_expired(connection: Connection, now: datetime) -> int:
    mine = (
        _t.retention_until <= now,
        _t.closed_at.is_not(None),
        _t.anonymised_at.is_(None),
        _t.legal_hold_at.is_(None),
    )
    return int(connection.execute(select(func.count()).select_from(tickets).where(*mine)).scalar_one())


def locked(connection: Connection, ticket_no: str) -> AnyRow | None:
    return connection.execute(select(tickets).where(_t.ticket_no == ticket_no).with_for_update()).one_or_none()


def mark(connection: Connection, ticket_no: str, values: dict[str, Any]) -> None:
    """Marks of privacy alone; what happens to the matter goes through the thread."""
    connection.execute(update(tickets).where(_t.ticket_no == ticket_no).values(values))


def sweep_keys(connection: Connection, before: datetime) -> int:
    return connection.execute(delete(idempotency).where(idempotency.c.created_at < before)).rowcount


# The end


def anonymise(connection: Connection, ticket: AnyRow, now: datetime) -> None:
    """What counts stays (when, where, what cause, how handled); everything that somebody wrote, and who it was, goes."""
    values: dict[str, Any] = {**_emptied(tickets), **_PLAIN, "anonymised_at": now}
    values["satisfaction"] = _score(ticket.satisfaction)
    values["event_time"] = (ticket.event_time or "")[:10] or None
    if not _is_date(values["event_time"]):
        values["event_time"] = None
    if ticket.branch is None:
        values["branch_name"] = None  # in the customer's words
    connection.execute(update(tickets).where(_t.ticket_no == ticket.ticket_no).values(values))
    _empty_thread(connection, ticket.ticket_no)
    passed_to = select(_t.id, _t.ticket_no).where(_t.ticket_no == ticket.parent_ticket)
    for parent in connection.execute(passed_to).all():
        _empty_thread(connection, parent.ticket_no, passed_from=ticket.ticket_no)
        search.rebuild(connection, parent.id)
    add_last_word(connection, ticket, ERASED, now)
    mine = promises.c.ticket_no == ticket.ticket_no
    connection.execute(update(promises).where(mine).values(_emptied(promises)))
    connection.execute(delete(idempotency).where(idempotency.c.ticket_no == ticket.ticket_no))
    connection.execute(update(consents).where(_c.ticket_no == ticket.ticket_no).values(withdrawal_reason=None))
    search.rebuild(connection, ticket.id)
    related = or_(ticket_links.c.ticket_no == ticket.ticket_no, ticket_links.c.other_no == ticket.ticket_no)
    connection.execute(delete(ticket_links).where(related))
    connection.execute(delete(ticket_talks).where(ticket_talks.c.ticket_no == ticket.ticket_no))


def _empty_thread(connection: Connection, ticket_no: str, passed_from: str | None = None) -> None:
    """All of it, or what came by the number of a merged ticket."""
    for row in connection.execute(select(_e.id, _e.data).where(_e.ticket_no == ticket_no)).all():
        if passed_from is not None and row.data.get("passed_from") != passed_from:
            continue
        kept = {name: value for name, value in row.data.items() if name in _KEPT}
        connection.execute(update(ticket_events).where(_e.id == row.id).values(data=kept))


def _emptied(table: Table) -> dict[str, Any]:
    """Every encrypted column, those of later versions too."""
    return {column.name: _empty(column) for column in table.c if isinstance(column.type, EncryptedBytes)}


def _empty(column: Column[Any]) -> Any:
    if column.nullable:
        return None
    return [] if isinstance(column.type, EncryptedJson) else REMOVED


def _score(satisfaction: dict[str, Any] | None) -> dict[str, Any] | None:
    return {**satisfaction, "comment": None} if satisfaction else None


def _is_date(text: str | None) -> bool:
    try:
        return text is not None and bool(datetime.fromisoformat(text))
    except ValueError:
        return False
