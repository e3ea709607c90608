"""Where encrypted files lie: a directory, or a bucket of an S3-compatible store. Both know addresses and bytes, nothing else.

`put` returns when the bytes are durable. An address that is put again is replaced by the same content and counts as new.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from api.core.files.errors import FileStoreDamagedError, FileStoreUnavailableError

_PROBE = 4096  # bytes


class Store(Protocol):
    """Blocking calls, for threads. Each raises FileStoreUnavailableError when the store cannot be reached or is full."""

    def put(self, address: str, source: Path) -> None: ...

    def open(self, address: str) -> BinaryIO:
        """Raises FileStoreDamagedError when there is nothing at this address."""
        ...

    def remove(self, address: str, *, older_than: float) -> bool:
        """Unless it was put after that moment (Unix time): somebody may just be about to refer to it. False then."""
        ...

    def each(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Addresses that begin with these two characters, and when they were put, in Unix time."""
        ...

    def check(self) -> None:
        """Raises when nothing could be put now, as far as can be told without leaving anything."""
        ...


class DiskStore:
    """Two levels of directories, so that none has more than a few thousand entries."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, address: str, source: Path) -> None:
        """`source` is on the same file system and ends here."""
        with _disk_refusals():
            place = self._place(address)
            _make_durably(place.parent)
            with source.open("rb") as file:
                os.fsync(file.fileno())
            source.replace(place)
            os.utime(place)
            _sync(place.parent)

    def open(self, address: str) -> BinaryIO:
        try:
            with _disk_refusals():
                return self._place(address).open("rb")
        except FileNotFoundError as error:
            raise FileStoreDamagedError from error

    def remove(self, address: str, *, older_than: float) -> bool:
        place = self._place(address)
        with _disk_refusals(), suppress(FileNotFoundError):
            if place.stat().st_mtime >= older_than:
                return False
            place.unlink()
            _sync(place.parent)
        return True

    def each(self, prefix: str) -> Iterator[tuple[str, float]]:
        with _disk_refusals():
            for place in self._directory.glob(f"{prefix}/??/*"):
                with suppress(FileNotFoundError):
                    yield place.name, place.stat().st_mtime

    def check(self) -> None:
        with _disk_refusals():
            _make_durably(self._directory)
            with tempfile.TemporaryFile(dir=self._directory) as file:
                file.write(bytes(_PROBE))

    def _place(self, address: str) -> Path:
        return self._directory / address[:2] / address[2:4] / address


def _make_durably(directory: Path) -> None:
    """A new directory is only there after a crash when its parent says so."""
    if directory.is_dir():
        return
    _make_durably(directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)
    _sync(directory.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _disk_refusals() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:  # full, read-only, over quota, not mounted
        raise FileStoreUnavailableError from error


@dataclass(frozen=True, slots=True)
class Bucket:
    """An S3-compatible bucket; it has to exist."""

    url: str
    name: str
    key: str
    secret: str
    region: str


class S3Store:
    """`patience`: seconds without a byte. Whoever uploads gets an honest 503 soon instead of a spinning wheel."""

    def __init__(self, bucket: Bucket, patience: float = 8.0) -> None:
        self._bucket = bucket.name
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=bucket.url,
            aws_access_key_id=bucket.key,
            aws_secret_access_key=bucket.secret,
            region_name=bucket.region,
            config=Config(
                connect_timeout=min(3.0, patience),
                read_timeout=patience,
                retries={"total_max_attempts": 2},
                s3={"addressing_style": "path"},
            ),
        )

    def put(self, address: str, source: Path) -> None:
        with _s3_refusals(), source.open("rb") as body:
            self._client.put_object(Bucket=self._bucket, Key=_key(address), Body=body)

    def open(self, address: str) -> BinaryIO:
        with _s3_refusals():
            found = self._client.get_object(Bucket=self._bucket, Key=_key(address))
        return _S3Body(found["Body"])  # type: ignore[return-value]  # reads and closes, which is all that is done with it

    def remove(self, address: str, *, older_than: float) -> bool:
        with _s3_refusals():
            try:
                head = self._client.head_object(Bucket=self._bucket, Key=_key(address))
            except ClientError as error:
                if _is_missing(error):
                    return True
                raise
            if head["LastModified"].timestamp() >= older_than:
                return False
            self._client.delete_object(Bucket=self._bucket, Key=_key(address))
        return True

    def each(self, prefix: str) -> Iterator[tuple[str, float]]:
        with _s3_refusals():
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=f"{prefix}/"
            ):
                for found in page.get("Contents", ()):
                    yield found["Key"].rsplit("/", 1)[-1], found["LastModified"].timestamp()

    def check(self) -> None:
        with _s3_refusals():
            self._client.head_bucket(Bucket=self._bucket)


class _S3Body:
    """The body of an answer, whose connection may break while it is read."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, size: int) -> bytes:
        """As many bytes as asked for, fewer only at the end."""
        read = b""
        with _s3_refusals():
            while len(read) < size and (more := self._body.read(size - len(read))):
                read += more
        return read

    def close(self) -> None:
        self._body.close()


def _key(address: str) -> str:
    return f"{address[:2]}/{address[2:4]}/{address}"


def _is_missing(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey", "NotFound")


@contextmanager
def _s3_refusals() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if _is_missing(error):
            raise FileStoreDamagedError from error
        raise FileStoreUnavailableError from error
    except (BotoCoreError, OSError) as error:
        raise FileStoreUnavailableError from error
