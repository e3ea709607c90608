"""SQL of attachments; each function runs inside its caller's transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from api.core.files.scanner import Scan
from api.core.models import AnyRow
from api.tickets.evidence.models import attachments, evidence_files

_a, _f = attachments.c, evidence_files.c
_JOINED = select(
    _a.id, _a.address, _a.conversation_id, _a.ticket_no, _a.name, _a.added_by, _a.from_customer, _a.sent_at, _a.created_at,
    _f.key, _f.sha256, _f.size, _f.media_type, _f.scan,
).join(evidence_files, _f.address == _a.address)  # fmt: skip
_UNUSED = ~exists().where(_a.address == _f.address)


def keep_file(connection: Connection, values: dict[str, Any]) -> Scan:
    """What is known of the content by now: a verdict of the scanner stays with it."""
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    # An update that changes nothing locks the row: nobody erases it before this transaction refers to it.
    kept = make(evidence_files).values(values)
    kept = kept.on_conflict_do_update(index_elements=[_f.address], set_={"size": kept.excluded.size})
    known = Scan(connection.execute(kept.returning(_f.scan)).scalar_one())
    if known in (Scan.PENDING, Scan.NOT_SCANNED) and values["scan"] == Scan.CLEAN:
        set_scan(connection, values["address"], Scan.CLEAN, values["created_at"])
        return Scan.CLEAN
    return known


def add(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(insert(attachments), values)


def find(connection: Connection, attachment_id: str, *of: ColumnElement[bool]) -> AnyRow | None:
    return connection.execute(_JOINED.where(_a.id == attachment_id, *of)).one_or_none()


def in_conversation(conversation_id: str) -> ColumnElement[bool]:
    return _a.conversation_id == conversation_id


def in_ticket(ticket_no: str) -> ColumnElement[bool]:
    return _a.ticket_no == ticket_no


def same(connection: Connection, address: str, of: ColumnElement[bool]) -> AnyRow | None:
    return connection.execute(_JOINED.where(_a.address == address, of).limit(1)).one_or_none()


def of_ticket(connection: Connection, ticket_no: str) -> list[AnyRow]:
    return list(connection.execute(_JOINED.where(_a.ticket_no == ticket_no).order_by(_a.created_at, _a.id)))


def of_conversation(connection: Connection, conversation_id: str) -> list[AnyRow]:
    """What was sent in it, oldest first."""
    mine = _JOINED.where(in_conversation(conversation_id), _a.sent_at.is_not(None))
    return list(connection.execute(mine.order_by(_a.created_at, _a.id)))


def of_ids(connection: Connection, conversation_id: str, ids: Collection[str]) -> dict[str, AnyRow]:
    statement = _JOINED.where(_a.conversation_id == conversation_id, _a.id.in_(ids))
    return {row.id: row for row in connection.execute(statement)}


def total(connection: Connection, of: ColumnElement[bool]) -> tuple[int, int]:
    """How many, and their bytes."""
    statement = select(func.count(), func.coalesce(func.sum(_f.size), 0)).select_from(
        attachments.join(evidence_files, _f.address == _a.address)
    )
    count, size = connection.execute(statement.where(of)).one()
    return int(count), int(size)


def sent(connection: Connection, ids: Sequence[str], now: datetime, ticket_no: str | None) -> None:
    connection.execute(update(attachments).where(_a.id.in_(ids)).values(sent_at=now, ticket_no=ticket_no))


def adopt(connection: Connection, conversation_id: str, ticket_no: str) -> list[AnyRow]:
    """What a conversation has said so far and no ticket has yet goes to this one; which that were."""
    mine = (_a.conversation_id == conversation_id, _a.sent_at.is_not(None), _a.ticket_no.is_(None))
    rows = list(connection.execute(_JOINED.where(*mine).order_by(_a.sent_at, _a.id)))
    if rows:
        connection.execute(update(attachments).where(*mine).values(ticket_no=ticket_no))
    return rows


def to_scan(connection: Connection, limit: int) -> list[AnyRow]:
    """Those never tried first, then those tried longest ago."""
    statement = select(_f.address, _f.key, _f.created_at).where(_f.scan.in_((Scan.PENDING, Scan.NOT_SCANNED)))
    return list(connection.execute(statement.order_by(_f.scanned_at.nulls_first(), _f.created_at).limit(limit)))


def tried_to_scan(connection: Connection, address: str, now: datetime) -> None:
    connection.execute(update(evidence_files).where(_f.address == address).values(scanned_at=now))


def set_scan(connection: Connection, address: str, scan: Scan, now: datetime) -> None:
    connection.execute(update(evidence_files).where(_f.address == address).values(scan=scan, scanned_at=now))


def tickets_of(connection: Connection, address: str) -> list[str]:
    statement = select(_a.ticket_no).where(_a.address == address, _a.ticket_no.is_not(None)).distinct()
    return [str(number) for number in connection.execute(statement).scalars()]


def files_from(connection: Connection, prefix: str) -> dict[str, str]:
    """Address and scan state of every file whose address begins so."""
    statement = select(_f.address, _f.scan).where(_f.address.like(f"{prefix}%"))
    return {address: scan for address, scan in connection.execute(statement)}


def known(connection: Connection, address: str) -> bool:
    return connection.execute(select(_f.address).where(_f.address == address)).one_or_none() is not None


def delete_where(connection: Connection, condition: ColumnElement[bool]) -> list[str]:
    """Attachments and the rows of files that nobody else has; the addresses whose bytes may go once this is committed."""
    gone = set(connection.execute(select(_a.address).where(condition)).scalars())
    connection.execute(delete(attachments).where(condition))
    unused = list(connection.execute(select(_f.address).where(_f.address.in_(gone), _UNUSED)).scalars())
    connection.execute(delete(evidence_files).where(_f.address.in_(unused), _UNUSED))
    return unused


def delete_of(connection: Connection, ticket_no: str) -> list[str]:
    """All evidence of one ticket, for erasing it. Give what it returns to `Upkeep.forget` after the commit."""
    return delete_where(connection, in_ticket(ticket_no))


def delete_of_conversation(connection: Connection, conversation_id: str) -> list[str]:
    """As `delete_of`, for a conversation: also what no ticket has."""
    return delete_where(connection, in_conversation(conversation_id))


def delete_unsent(connection: Connection, before: datetime) -> list[str]:
    """Uploads that no message ever carried."""
    return delete_where(connection, _a.sent_at.is_(None) & _a.ticket_no.is_(None) & (_a.created_at < before))
