"""The master keys of personal data: from the settings, or from a file that a rotation adds to.

A key has a number, which stands in everything it encrypted. Numbers are never used twice.
"""

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import from_json, to_json

LONGEST_ID = 255  # one byte of every blob
_SHORTEST_KEY = 32  # characters; what `openssl rand -hex 16` gives
_NUMBERED = re.compile(r"(\d{1,3}):(.+)", re.S)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Master keys by number; the current one encrypts, the others only read."""

    keys: Mapping[int, bytes]
    current: int

    @property
    def old(self) -> tuple[int, ...]:
        return tuple(sorted(number for number in self.keys if number != self.current))


def fingerprint(key: bytes) -> str:
    """Tells keys apart without telling anything of them: backups name the keys they need by it."""
    return hashlib.pbkdf2_hmac("sha256", key, b"tingsu fingerprint", 200_000).hex()[:16]


def parse(specification: str) -> tuple[int, bytes]:
    """`number:key`, or a key alone, which is number 1. Raises ValueError with a sentence for the operator."""
    numbered = _NUMBERED.fullmatch(specification)
    number, key = (int(numbered[1]), numbered[2]) if numbered else (1, specification)
    if not 1 <= number <= LONGEST_ID:
        raise ValueError(f"密钥编号应在 1 到 {LONGEST_ID} 之间")
    if len(key) < _SHORTEST_KEY:
        raise ValueError(f"密钥至少要 {_SHORTEST_KEY} 个字符，可用 openssl rand -hex 32 生成")
    return number, key.encode()


def ring_of(current: tuple[int, bytes], others: Iterable[tuple[int, bytes]]) -> KeyRing:
    keys = dict([current])
    for number, key in others:
        if keys.setdefault(number, key) != key:
            raise ValueError(f"密钥编号 {number} 用了两次；换密钥时给新密钥一个新编号，例如 2:新密钥")
    return KeyRing(keys, current[0])


def read_file(path: Path) -> KeyRing | None:
    """None when there is no such file. The highest number is the current key."""
    try:
        mode, text = stat.S_IMODE(path.stat().st_mode), path.read_bytes()
    except FileNotFoundError:
        return None
    if mode & 0o077:
        raise ValueError(f"{path} 里是密钥，权限应为 600（现在是 {mode:o}）：chmod 600 {path}")
    try:
        keys = dict(parse(f"{number}:{key}") for number, key in from_json(text).items())
        return KeyRing(keys, max(keys))
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} 应为 JSON，形如 {{“1”: “密钥”}}，每个密钥至少 {_SHORTEST_KEY} 个字符") from error


def write_file(path: Path, ring: KeyRing) -> None:
    """Whole or not at all: a reader never finds half a file, and a crash leaves the old one."""
    text = to_json({str(number): key.decode() for number, key in sorted(ring.keys.items())}, indent=1)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def with_new_key(ring: KeyRing) -> KeyRing:
    """The ring with one more key, which is the current one from now on."""
    number = max(ring.keys) + 1
    if number > LONGEST_ID:
        raise ValueError(f"密钥编号用完了（最多 {LONGEST_ID} 个）")
    return KeyRing({**ring.keys, number: secrets.token_urlsafe(32).encode()}, number)


def without_old_keys(ring: KeyRing) -> KeyRing:
    return KeyRing({ring.current: ring.keys[ring.current]}, ring.current)
