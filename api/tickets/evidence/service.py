"""Attachments: added to a conversation or a ticket, said in a message, given out again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Connection
from sqlalchemy.exc import IntegrityError
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import StreamingResponse

from api.core.files.errors import InfectedFileError
from api.core.files.scanner import Scan
from api.core.models import AnyRow
from api.core.security import Principal, Role, new_id
from api.tickets import joining, traces
from api.tickets import repository as tickets_sql
from api.tickets.errors import TicketNotFoundError
from api.tickets.evidence import repository
from api.tickets.evidence.errors import (
    AttachmentNotFoundError,
    AttachmentRemovedError,
    ScanPendingError,
    TooManyAttachmentsError,
)
from api.tickets.evidence.receiving import Received, Receiving
from api.tickets.evidence.schemas import sender_item, thread_item
from api.tickets.evidence.upkeep import Upkeep
from api.tickets.lifecycle import OPEN_STATES, EventType, PromiseKind
from api.tickets.links.repository import living
from api.tickets.numbers import normal_number
from api.tickets.service import Tickets
from contract.evidence import MEGABYTE

CUSTOMER = "customer"
# What customers do themselves stands in the thread as the bot's, like what they say.
_FOR_CUSTOMER = Principal(id="internal", name="对话机器人", role=Role.INTERNAL)

_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Said:
    """A message of attachments: as its sender sees them, and the ticket they went to at once."""

    items: list[dict[str, Any]]
    ticket: AnyRow | None


class Evidence:
    """The attachments of one app."""

    def __init__(self, tickets: Tickets) -> None:
        self.tickets = tickets
        self.ctx = tickets.ctx
        self.rules = tickets.playbook.evidence
        self.receiving = Receiving(tickets.ctx, self.rules)
        self.upkeep = Upkeep(tickets.ctx, self.receiving.vault, self.receiving.scanner)

    # Adding

    async def check_room(self, conversation_id: str) -> None:
        """Before a body is read. Raises TooManyAttachmentsError."""
        await self.ctx.db.read(lambda connection: self._room_in_conversation(connection, conversation_id, 0))

    async def add_to_conversation(self, conversation_id: str, received: Received) -> AnyRow:
        """The same content again is the same attachment."""
        found: AnyRow = await self._once(
            lambda connection: self._add_to_conversation(connection, conversation_id, received)
        )
        return found

    async def add_to_ticket(self, ticket_no: str, received: Received, *, by: Principal, from_customer: bool) -> AnyRow:
        """Told in the thread. Raises TicketNotFoundError or TooManyAttachmentsError."""
        row, ticket = await self._once(
            lambda connection: self._add_to_ticket(connection, ticket_no, received, by, from_customer)
        )
        self.tickets.announce(ticket)
        found: AnyRow = row
        return found

    async def _once(self, work: Callable[[Connection], Any]) -> Any:
        try:
            return await self.ctx.db.write(work)
        except IntegrityError:
            # Somebody added the same content, or erased it, at this very moment; now one sees which.
            return await self.ctx.db.write(work)

    def _add_to_conversation(self, connection: Connection, conversation_id: str, received: Received) -> AnyRow:
        place = repository.in_conversation(conversation_id)
        if (known := self._known(connection, received, place)) is not None:
            return known
        self._room_in_conversation(connection, conversation_id, received.kept.size)
        row = {"conversation_id": conversation_id, "ticket_no": None, "added_by": CUSTOMER, "from_customer": True}
        return self._added(connection, received, row, place)

    def _room_in_conversation(self, connection: Connection, conversation_id: str, more: int) -> None:
        count, size = repository.total(connection, repository.in_conversation(conversation_id))
        rules = self.rules
        if count >= rules.per_conversation or size + more > rules.per_conversation_mb * MEGABYTE:
            raise TooManyAttachmentsError(
                f"一次对话最多 {rules.per_conversation} 个附件、共 {rules.per_conversation_mb} MB；"
                "其余材料请等工作人员联系您时再提供。"
            )

    def _add_to_ticket(
        self, connection: Connection, ticket_no: str, received: Received, by: Principal, from_customer: bool
    ) -> tuple[AnyRow, AnyRow]:
        ticket = self.visible(connection, ticket_no, by, lock=True)
        place = repository.in_ticket(ticket.ticket_no)
        if (known := self._known(connection, received, place)) is not None:
            return known, ticket
        if repository.total(connection, place)[0] >= self.rules.per_ticket:
            raise TooManyAttachmentsError(f"一张工单最多 {self.rules.per_ticket} 个附件，请先合并或整理材料。")
        now = self.ctx.clock.now()
        row = {
            "conversation_id": None,
            "ticket_no": ticket.ticket_no,
            "added_by": by.id,
            "from_customer": from_customer,
        }
        added = self._added(connection, received, {**row, "sent_at": now}, place)
        self._tell(connection, ticket, [added], by=by, from_customer=from_customer, now=now)
        return added, ticket

    @staticmethod
    def _known(connection: Connection, received: Received, place: ColumnElement[bool]) -> AnyRow | None:
        """The same content in the same place."""
        known = repository.same(connection, received.kept.address, place)
        if known is not None and known.scan == Scan.INFECTED:
            raise InfectedFileError
        return known

    def _added(
        self, connection: Connection, received: Received, row: dict[str, Any], place: ColumnElement[bool]
    ) -> AnyRow:
        kept, now = received.kept, self.ctx.clock.now()
        scanned = received.scan is Scan.CLEAN
        file = {
            "address": kept.address, "key": kept.key, "sha256": kept.sha256, "size": kept.size,
            "media_type": received.media_type, "scan": received.scan, "scanned_at": now if scanned else None,
            "created_at": now,
        }  # fmt: skip
        if repository.keep_file(connection, file) is Scan.INFECTED:
            raise InfectedFileError
        added = {
            "sent_at": None,
            **row,
            "id": new_id(),
            "address": kept.address,
            "name": received.name,
            "created_at": now,
        }
        repository.add(connection, added)
        found = repository.find(connection, added["id"], place)
        if found is None:
            raise LookupError("an attachment vanished")
        return found

    # Saying

    def say(
        self, connection: Connection, conversation_id: str, ticket_no: str | None, ids: Sequence[str], now: datetime
    ) -> Said:
        """A customer's message carries these: from now on they belong to the matter.

        `ticket_no`: the conversation's, when it has one. Raises AttachmentNotFoundError or TooManyAttachmentsError.
        """
        wanted = list(dict.fromkeys(ids))
        if len(wanted) > self.rules.per_message:
            raise TooManyAttachmentsError(f"一条消息最多 {self.rules.per_message} 个附件，请分几条发送。")
        found = repository.of_ids(connection, conversation_id, wanted)
        if len(found) != len(wanted):
            raise AttachmentNotFoundError
        rows = [found[one] for one in wanted]
        fresh = [row for row in rows if row.sent_at is None]
        ticket = living(connection, ticket_no or tickets_sql.newest_of(connection, conversation_id), lock=True)
        if fresh:
            number = None if ticket is None else ticket.ticket_no
            repository.sent(connection, [row.id for row in fresh], now, number)
            if ticket is not None:
                self._tell(connection, ticket, fresh, by=_FOR_CUSTOMER, from_customer=True, now=now)
        return Said([sender_item(row) for row in rows], ticket)

    def adopt(self, connection: Connection, conversation_id: str, ticket_no: str, now: datetime) -> None:
        """A conversation got its ticket: what was said while that was being decided goes there, too."""
        ticket = living(connection, ticket_no, lock=True)
        if ticket is not None and (rows := repository.adopt(connection, conversation_id, ticket.ticket_no)):
            self._tell(connection, ticket, rows, by=_FOR_CUSTOMER, from_customer=True, now=now)

    def _tell(
        self,
        connection: Connection,
        ticket: AnyRow,
        rows: Iterable[AnyRow],
        *,
        by: Principal,
        from_customer: bool,
        now: datetime,
    ) -> None:
        """The entry in the thread; what a customer delivers is a new fact: it starts the clock again (3号令)."""
        changes: dict[str, Any] = {"updated_at": now}
        told = thread_item(rows, from_customer=from_customer)
        if from_customer and ticket.state in OPEN_STATES:
            tickets_sql.keep_promise(connection, ticket.ticket_no, PromiseKind.EVIDENCE, now)
            joined, new = self.tickets.join(connection, ticket, {}, now, more=(joining.EVIDENCE,))
            changes, told = {**changes, **joined}, {**told, **new}
        audience = "customer" if from_customer else "staff"
        self.tickets.enter(connection, ticket, EventType.EVIDENCE, changes, told, by=by, now=now, audience=audience)
        if from_customer:
            self.tickets.resume_for_customer(connection, ticket, by, now)

    # Giving out

    @staticmethod
    def visible(connection: Connection, ticket_no: str, by: Principal, *, lock: bool = False) -> AnyRow:
        """Raises TicketNotFoundError for an unknown ticket and for one that is hidden from this caller."""
        ticket = tickets_sql.find(connection, normal_number(ticket_no) or ticket_no, lock=lock, seen_by=by)
        if ticket is None:
            raise TicketNotFoundError
        return ticket

    def of_ticket(self, connection: Connection, ticket_no: str, attachment_id: str, by: Principal) -> AnyRow:
        """For a download, which is noted. Raises TicketNotFoundError or AttachmentNotFoundError."""
        ticket = self.visible(connection, ticket_no, by)
        row = repository.find(connection, attachment_id, repository.in_ticket(ticket.ticket_no))
        if row is None:
            raise AttachmentNotFoundError
        traces.downloaded(connection, by=by, ticket_no=ticket.ticket_no, attachment_id=row.id, now=self.ctx.clock.now())
        return row

    async def of_conversation(self, conversation_id: str, attachment_id: str) -> AnyRow:
        place = repository.in_conversation(conversation_id)
        row = await self.ctx.db.read(lambda connection: repository.find(connection, attachment_id, place))
        if row is None:
            raise AttachmentNotFoundError
        return row

    async def give(self, row: AnyRow) -> StreamingResponse:
        """Always as a file to save, never shown in place. The first chunk is read before anything is promised.

        Raises ScanPendingError, AttachmentRemovedError, FileStoreUnavailableError or FileStoreDamagedError.
        """
        if row.scan == Scan.INFECTED:
            raise AttachmentRemovedError
        if row.scan == Scan.PENDING:
            raise ScanPendingError
        chunks = self.receiving.vault.read(row.address, row.key)
        first = await asyncio.to_thread(next, chunks)
        extension = row.name.rpartition(".")[2]
        headers = {
            **_SAFE_HEADERS,
            "Content-Disposition": f"attachment; filename=\"attachment.{extension}\"; filename*=UTF-8''{quote(row.name, safe='')}",
            "Content-Length": str(row.size),
        }
        return StreamingResponse(_rest(first, chunks), headers=headers, media_type=row.media_type)


async def _rest(first: bytes, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for chunk in iterate_in_threadpool(chunks):
            yield chunk
    finally:
        await asyncio.to_thread(chunks.close)  # type: ignore[attr-defined]  # a generator; closes its file or connection
