"""A backup: one tar with a manifest, the database and the files of evidence. What is encrypted in them stays encrypted.

The manifest stands at the end, because it holds the checksums of all before it: an archive without one was broken off.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

FORMAT = 1
MANIFEST = "manifest.json"
EVIDENCE = "evidence/"
_CHUNK = 1024 * 1024


class CannotRestoreError(Exception):
    """Why not, and what to do, for the operator."""


class Manifest(BaseModel):
    """`keys`: fingerprints of the master keys by number; `files`: SHA-256 of each member; `evidence`: disk, or the bucket's name."""

    model_config = ConfigDict(frozen=True)

    format: int
    made_at: str
    database: str
    kind: str
    revision: str
    keys: Mapping[int, str]
    evidence: str
    audit: tuple[int, str]
    rows: Mapping[str, int]
    files: Mapping[str, str]


class Writer:
    """Adds files to an archive and remembers their checksums."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.files: dict[str, str] = {}

    def add(self, path: Path, name: str) -> bool:
        """False when the file is gone meanwhile."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return False
        with file:
            info = tarfile.TarInfo(name)
            info.size, info.mode = os.fstat(file.fileno()).st_size, 0o600
            reading = _Hashing(file)
            self._tar.addfile(info, reading)
            self.files[name] = reading.digest.hexdigest()
        return True

    def finish(self, manifest: Manifest) -> None:
        content = manifest.model_dump_json(indent=1).encode()
        info = tarfile.TarInfo(MANIFEST)
        info.size, info.mode = len(content), 0o600
        self._tar.addfile(info, io.BytesIO(content))


class _Hashing(io.RawIOBase):
    """Reads through and takes the checksum on the way: the file is read once."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk: bytes = self._file.read(size)
        self.digest.update(chunk)
        return chunk


@contextmanager
def new_archive(target: Path) -> Iterator[Writer]:
    """The file has its name only once it is whole and on the disk; it is nobody's but the operator's (mode 600)."""
    partial = target.with_name(f"{target.name}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w") as tar:
                yield Writer(tar)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
        sync(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def read_manifest(path: Path) -> Manifest:
    """Raises CannotRestoreError for what is no whole backup of ours."""
    try:
        with tarfile.open(path) as tar:
            file = tar.extractfile(MANIFEST)
            return Manifest.model_validate_json(file.read() if file else b"")
    except FileNotFoundError as error:
        raise CannotRestoreError(f"没有这个文件：{path}") from error
    except (tarfile.TarError, KeyError, ValidationError, EOFError) as error:
        raise CannotRestoreError(f"{path} 不是完整的听诉备份（没有清单，或写到一半中断了）。") from error


def unpack(path: Path, manifest: Manifest, directory: Path) -> None:
    """Exactly the files of the manifest, each with its checksum; raises CannotRestoreError otherwise."""
    seen: set[str] = set()
    with tarfile.open(path) as tar:
        for member in tar:
            if member.name == MANIFEST:
                continue
            if not member.isreg() or member.name not in manifest.files or ".." in Path(member.name).parts:
                raise CannotRestoreError(f"备份里有清单以外的内容：{member.name}")
            source = tar.extractfile(member)
            place = directory / member.name
            place.parent.mkdir(parents=True, exist_ok=True)
            if source is None or _copy(source, place) != manifest.files[member.name]:
                raise CannotRestoreError(f"{member.name} 和清单里的校验和不符：备份损坏，请换一份。")
            seen.add(member.name)
    if missing := sorted(set(manifest.files) - seen):
        raise CannotRestoreError(f"备份里少了 {len(missing)} 个文件，例如 {missing[0]}：备份损坏，请换一份。")


def _copy(source: Any, place: Path) -> str:
    digest = hashlib.sha256()
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
