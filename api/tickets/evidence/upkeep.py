"""What happens to stored files by themselves: scanned once the scanner is there, removed when nothing refers to them."""

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from api.core.context import Context
from api.core.errors import ApiError
from api.core.files.errors import FileStoreDamagedError
from api.core.files.scanner import Scan, Scanner
from api.core.files.vault import Vault
from api.core.logging import get_logger
from api.tickets import repository as tickets
from api.tickets.evidence import repository
from api.tickets.notices import repository as notices

logger = get_logger("evidence")

_AT_ONCE = 50  # files in one run of the scanner
_DAY = 24 * 3600.0
_UNSENT = timedelta(days=1)
# A file that was put this lately may be just about to get its row: the nightly tidying comes again.
_GRACE = 60.0


class Upkeep:
    """The jobs around stored files; both may be run at any time, by any process."""

    def __init__(self, ctx: Context, vault: Vault, scanner: Scanner) -> None:
        self._ctx = ctx
        self._vault = vault
        self._scanner = scanner

    async def scan(self) -> None:
        """Files that wait for a verdict, or came before there was a scanner."""
        if self._scanner.address is None:
            return
        for row in await self._ctx.db.read(lambda connection: repository.to_scan(connection, _AT_ONCE)):
            try:
                verdict = await asyncio.to_thread(self._scanner.scan, self._vault.read(row.address, row.key))
            except FileStoreDamagedError:
                logger.error("evidence_unreadable", address=row.address)
                continue
            if verdict is Scan.PENDING:
                return  # the scanner is away; the next run tries again
            await self._settle(row.address, verdict)

    async def _settle(self, address: str, verdict: Scan) -> None:
        now = self._ctx.clock.now()

        def settle(connection: Connection) -> None:
            repository.set_scan(connection, address, verdict, now)
            if verdict is Scan.INFECTED:
                _tell(connection, address, "file_infected", "附件检出病毒，已经清除，不能再下载。", now)

        await self._ctx.db.write(settle)
        if verdict is Scan.INFECTED:
            await asyncio.to_thread(self._vault.store.remove, address, older_than=time.time() + _DAY)

    async def tidy(self) -> None:
        """Uploads that nobody sent, files without a row, what killed uploads left behind; and rows without a file."""
        before = self._ctx.clock.now() - _UNSENT
        gone = await self._ctx.db.write(lambda connection: repository.delete_unsent(connection, before))
        await self.forget(gone)
        await self.sweep()
        for number in range(256):
            await self._compare(f"{number:02x}")

    async def sweep(self) -> None:
        """What killed uploads left behind: as it came, unsealed."""
        await asyncio.to_thread(self._vault.sweep_work)

    async def forget(self, addresses: Iterable[str]) -> None:
        """Removes bytes whose rows are gone. What fails here is found by `tidy`."""
        for address in addresses:
            try:
                if not await self._ctx.db.read(partial(repository.known, address=address)):
                    older_than = time.time() - _GRACE
                    await asyncio.to_thread(self._vault.store.remove, address, older_than=older_than)
            except ApiError as error:
                logger.warning("evidence_not_removed", reason=error.code)

    async def _compare(self, prefix: str) -> None:
        """Files and rows of one part of the addresses. Files first: one that comes after that has its row later, too."""
        stored = await asyncio.to_thread(lambda: dict(self._vault.store.each(prefix)))
        rows = await self._ctx.db.read(lambda connection: repository.files_from(connection, prefix))
        old = time.time() - _DAY
        for address, put_at in stored.items():
            if put_at < old and rows.get(address) in (None, Scan.INFECTED):
                await asyncio.to_thread(self._vault.store.remove, address, older_than=old)
        missing = [address for address, scan in rows.items() if scan != Scan.INFECTED and address not in stored]
        for address in missing:
            await self._missing(address)

    async def _missing(self, address: str) -> None:
        """Looked for again: the row may be younger than the list of files."""
        try:
            (await asyncio.to_thread(self._vault.store.open, address)).close()
        except FileStoreDamagedError:
            if await self._ctx.db.read(partial(repository.known, address=address)):
                logger.error("evidence_missing", address=address)
                now = self._ctx.clock.now()
                text = "有附件的文件不见了，请从备份恢复附件目录或存储桶。"
                await self._ctx.db.write(lambda connection: _tell(connection, address, "file_missing", text, now))


def _tell(connection: Connection, address: str, kind: str, text: str, now: datetime) -> None:
    """A notice for each ticket that has the file; one without a ticket for what only a conversation has."""
    numbers: list[str | None] = [*repository.tickets_of(connection, address)] or [None]
    for number in numbers:
        ticket = tickets.find(connection, number) if number else None
        notices.add(
            connection,
            kind=kind,
            text=text,
            level=3,
            unique_key=f"{kind}:{address}:{number or ''}",
            now=now,
            ticket_no=number,
            restricted_to=ticket.route if ticket is not None and ticket.restricted else None,
        )
