"""Files by content, encrypted: the same content has one address and one key, and neither can be computed without ours.

Each file is sealed with a key of its own, which its row keeps (encrypted like every personal field, so that changing the
master key rewrites rows and no files). Chunks are numbered and the last one is marked: order and end are part of the seal.
"""

import hashlib
import hmac
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api.core.crypto import Cipher
from api.core.files.errors import FileStoreDamagedError, FileStoreUnavailableError
from api.core.files.store import Store
from api.core.workplace import sweep, workplace

_CHUNK = 256 * 1024
_TAG = 16


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is in the store; `key` opens it."""

    address: str
    key: bytes
    sha256: str
    size: int


class Vault:
    """`work` is a local directory for what is on its way; with the disk store it must be on the store's file system."""

    def __init__(self, store: Store, cipher: Cipher, work: Path) -> None:
        self.store = store
        self._cipher = cipher
        self._work = work

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """A directory for one upload, gone at its end."""
        with ExitStack() as held:
            try:
                place = held.enter_context(workplace(self._work))
            except OSError as error:
                raise FileStoreUnavailableError from error
            yield place

    def keep(self, plain: Path) -> Kept:
        """Durable when it returns. `plain` lies in a `workplace`. Raises FileStoreUnavailableError, then nothing is kept."""
        try:
            digest, size = _digest(plain)
            secret = self._cipher.file_key
            address = hmac.new(secret, b"address" + digest, hashlib.sha256).hexdigest()
            key = hmac.new(secret, b"key" + digest, hashlib.sha256).digest()
            sealed = plain.with_suffix(".sealed")
            _seal(plain, sealed, key, address)
        except OSError as error:
            raise FileStoreUnavailableError from error
        self.store.put(address, sealed)
        return Kept(address, key, digest.hex(), size)

    def read(self, address: str, key: bytes) -> Iterator[bytes]:
        """The plain bytes. Raises FileStoreDamagedError at the first chunk that is not what was stored."""
        cipher, place = AESGCM(key), address.encode()
        sealed = self.store.open(address)
        try:
            number, chunk = 0, sealed.read(_CHUNK + _TAG)
            while True:
                following = sealed.read(_CHUNK + _TAG)
                yield cipher.decrypt(_nonce(number, last=not following), chunk, place)
                if not following:
                    return
                number, chunk = number + 1, following
        except (InvalidTag, ValueError) as error:
            raise FileStoreDamagedError from error
        except OSError as error:
            raise FileStoreUnavailableError from error
        finally:
            sealed.close()

    def sweep_work(self) -> int:
        """Removes what uploads of killed processes left behind; how many."""
        return sweep(self._work)


def _digest(plain: Path) -> tuple[bytes, int]:
    with plain.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest(), os.fstat(file.fileno()).st_size


def _seal(plain: Path, sealed: Path, key: bytes, address: str) -> None:
    """The same content is always sealed the same way: its key is used for nothing else, so a counter is a safe nonce."""
    cipher, place = AESGCM(key), address.encode()
    with plain.open("rb") as source, sealed.open("wb") as target:
        number, chunk = 0, source.read(_CHUNK)
        while True:
            following = source.read(_CHUNK)
            target.write(cipher.encrypt(_nonce(number, last=not following), chunk, place))
            if not following:
                return
            number, chunk = number + 1, following


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes((last,))
