"""What happens to stored files by themselves: scanned once the scanner is there, removed when nothing refers to them."""

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from api.core.context import Context
from api.core.errors import ApiError
from api.core.files.errors import FileStoreDamagedError, FileStoreUnavailableError
from api.core.files.scanner import Scan, Scanner
from api.core.files.vault import Vault
from api.core.logging import get_logger
from api.core.models import AnyRow
from api.tickets import repository as tickets
from api.tickets.evidence import repository
from api.tickets.notices import repository as notices

logger = get_logger("evidence")

_AT_ONCE = 50  # files in one run of the scanner
_DAY = 24 * 3600.0
_UNSENT = timedelta(days=1)
_PATIENCE = timedelta(days=1)  # with a file that has no verdict
# A file that was put this lately may be just about to get its row: the nightly tidying comes again.
_GRACE = 60.0


class Upkeep:
    """The jobs around stored files; both may be run at any time, by any process."""

    def __init__(self, ctx: Context, vault: Vault, scanner: Scanner) -> None:
        self._ctx = ctx
        self._vault = vault
        self._scanner = scanner

    async def scan(self) -> None:
        """Files that wait for a verdict, or came before there was a scanner. What cannot be judged comes last the next time."""
        if self._scanner.address is None:
            return
        for row in await self._ctx.db.read(lambda connection: repository.to_scan(connection, _AT_ONCE)):
            verdict = await self._judged(row)
            if verdict is None:
                await self._away(row)
                return  # the next run tries again
            if verdict is Scan.PENDING:
                await self._put_off(row)
            else:
                await self._settle(row.address, verdict)

    async def _judged(self, row: AnyRow) -> Scan | None:
        """PENDING when it is the file's fault; None when scanner or store is away, for all files."""
        look = self._scanner.check
        try:
            verdict = await asyncio.to_thread(self._scanner.scan, self._vault.read(row.address, row.key))
            if verdict is not Scan.PENDING:
                return verdict
        except FileStoreDamagedError:
            logger.error("evidence_unreadable", address=row.address)
            return Scan.PENDING
        except FileStoreUnavailableError:
            look = self._vault.store.check
        try:
            await asyncio.to_thread(look)
        except Exception as error:  # noqa: BLE001 - edge: whatever is wrong with it, it is not there
            logger.warning("scanning_stopped", error=type(error).__name__)
            return None
        logger.warning("evidence_not_judged", address=row.address)
        return Scan.PENDING

    async def _put_off(self, row: AnyRow) -> None:
        now = self._ctx.clock.now()

        def put_off(connection: Connection) -> None:
            repository.tried_to_scan(connection, row.address, now)
            if now - row.created_at > _PATIENCE:
                text = "附件超过一天没能查毒（太大、已损坏或读不出来），请系统管理员检查查毒服务的限制和附件存储。"
                _tell(connection, row.address, "file_not_scanned", text, now)

        await self._ctx.db.write(put_off)

    async def _away(self, row: AnyRow) -> None:
        """Once a day, when a file has waited for as long."""
        now = self._ctx.clock.now()
        if now - row.created_at <= _PATIENCE:
            return
        text = "查毒服务或附件存储没有响应，有附件已经等了一天以上没有查毒，请系统管理员检查。"
        add = partial(notices.add, kind="scanner_away", text=text, level=3, unique_key=f"scanner_away:{now:%Y%m%d}")
        await self._ctx.db.write(lambda connection: add(connection, now=now))

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
