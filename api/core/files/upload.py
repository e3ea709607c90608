"""A multipart upload with one file: bounded in size and time, on disk and not in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from api.core.files.errors import (
    FileStoreUnavailableError,
    FileTooLargeError,
    UploadBrokenError,
    UploadTimeoutError,
)

OVERHEAD = 64 * 1024  # bytes of a multipart body beside the file
_COPY = 256 * 1024

_Message = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Patience:
    """`idle`: without a byte; `whole`: for all of it. A file of 20 MB takes three minutes at 1 Mbit/s."""

    idle: timedelta
    whole: timedelta


@dataclass(frozen=True, slots=True)
class Upload:
    """The file as it was sent, and the text fields beside it."""

    name: str | None
    fields: dict[str, str]


@asynccontextmanager
async def uploaded(request: Request, target: Path, patience: Patience) -> AsyncIterator[Upload]:
    """The file lies at `target`. The caller has proved who is there: not a byte of the body is read before.

    Raises FileTooLargeError, UploadTimeoutError, UploadBrokenError or FileStoreUnavailableError.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UploadBrokenError
    patient = Request(request.scope, _impatient(request.receive, patience.idle))
    try:
        async with asyncio.timeout(patience.whole.total_seconds()):
            form = await patient.form(max_files=1, max_fields=8, max_part_size=4096)
    except TimeoutError as error:
        raise UploadTimeoutError from error
    except ClientDisconnect as error:
        raise UploadBrokenError from error
    except HTTPException as error:
        raise (FileTooLargeError if error.status_code == 413 else UploadBrokenError) from error
    except OSError as error:  # the spool's disk is full
        raise FileStoreUnavailableError from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise UploadBrokenError
        await asyncio.to_thread(_copy, file, target)
        yield Upload(file.filename, {name: value for name, value in form.items() if isinstance(value, str)})
    finally:
        await form.close()


def _impatient(receive: Callable[[], Awaitable[_Message]], idle: timedelta) -> Callable[[], Awaitable[_Message]]:
    async def impatient() -> _Message:
        async with asyncio.timeout(idle.total_seconds()):
            return await receive()

    return impatient


def _copy(upload: UploadFile, target: Path) -> None:
    try:
        upload.file.seek(0)
        with target.open("wb") as file:
            while chunk := upload.file.read(_COPY):
                file.write(chunk)
    except OSError as error:
        raise FileStoreUnavailableError from error
