"""From an upload to a file in the store: received, cleaned, scanned, sealed. Nothing of it is left when one step refuses."""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from sqlalchemy import Connection

from api.core import audit
from api.core.context import Context
from api.core.files.cleaner import Cleaner
from api.core.files.errors import (
    FileTooLargeError,
    InfectedFileError,
    UnsupportedFileError,
)
from api.core.files.kinds import Limits
from api.core.files.names import safe_name
from api.core.files.scanner import Scan, Scanner
from api.core.files.store import Bucket, DiskStore, S3Store, Store
from api.core.files.upload import Patience, uploaded
from api.core.files.vault import Kept, Vault
from api.core.models import AnyRow
from api.tickets.notices import repository as notices
from contract.evidence import Evidence as Rules

_CHUNK = 256 * 1024
_INFECTED = "file_infected"


@dataclass(frozen=True, slots=True)
class Received:
    """A file that is in the store and belongs to nothing yet; without a row the nightly tidying removes it."""

    kept: Kept
    name: str
    media_type: str
    scan: Scan
    fields: dict[str, str]


class Receiving:
    """What an app takes files with."""

    def __init__(self, ctx: Context, rules: Rules) -> None:
        self.ctx = ctx
        self.rules = rules
        directory = ctx.settings.data_dir / "evidence"
        self.vault = Vault(_store(ctx, directory), ctx.cipher, directory / "tmp")
        self.cleaner = Cleaner(Limits(bytes=rules.bytes_by_type, pixels=rules.largest_megapixels * 1_000_000))
        self.scanner = Scanner(ctx.settings.clamav)
        self._patience = Patience(ctx.settings.upload_idle, ctx.settings.upload_longest)

    async def receive(self, request: Request, *, who: str, ticket: AnyRow | None = None) -> Received:
        """The caller has proved that `who` may add something. Raises the errors of `api.core.files.errors`."""
        with self.vault.workplace() as place:
            sent, cleaned = Path(place) / "sent", Path(place) / "cleaned"
            try:
                async with uploaded(request, sent, self._patience) as upload:
                    verdict = await self.cleaner.clean(sent, cleaned)
            except UnsupportedFileError as error:
                raise UnsupportedFileError(f"{error.message}可以上传：{self.rules.names}。") from error
            except FileTooLargeError as error:
                raise error if error.text != error.message else self.too_large() from error
            scan = await asyncio.to_thread(self.scanner.scan, _chunks(cleaned))
            if scan is Scan.INFECTED:
                await self._infected(cleaned, who, ticket)
                raise InfectedFileError
            kept = await asyncio.to_thread(self.vault.keep, cleaned)
        name = safe_name(upload.name, verdict.extensions)
        return Received(kept, name, verdict.media_type, scan, upload.fields)

    def too_large(self) -> FileTooLargeError:
        return FileTooLargeError(f"{FileTooLargeError.message}单个文件最大 {self.rules.largest // 1024**2} MB。")

    async def _infected(self, file: Path, who: str, ticket: AnyRow | None) -> None:
        """Somebody should know: it may be an attack, or a customer whose computer is ill."""
        digest = await asyncio.to_thread(_digest, file)
        now = self.ctx.clock.now()

        def tell(connection: Connection) -> None:
            number = ticket.ticket_no if ticket is not None else None
            notices.add(
                connection,
                kind=_INFECTED,
                text="上传的文件检出病毒，已拒收，没有保存。",
                level=2,
                unique_key=f"infected:{digest}",
                now=now,
                ticket_no=number,
                restricted_to=ticket.route if ticket is not None and ticket.restricted else None,
            )
            audit.note(connection, who=who, action="file.refused", subject=number or "*", now=now, reason=_INFECTED)

        await self.ctx.db.write(tell)


def _store(ctx: Context, directory: Path) -> Store:
    settings = ctx.settings
    if settings.evidence_s3_url is None:
        return DiskStore(directory)
    return S3Store(
        Bucket(
            url=settings.evidence_s3_url,
            name=settings.evidence_s3_bucket or "",
            key=settings.evidence_s3_key or "",
            secret=settings.evidence_s3_secret.get_secret_value() if settings.evidence_s3_secret else "",
            region=settings.evidence_s3_region,
        )
    )


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            yield chunk


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
