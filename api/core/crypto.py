"""Personal data at rest: AES-256-GCM per field, and blind indexes to find a phone without reading it."""

import hashlib
import hmac
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic_core import from_json, to_json
from sqlalchemy import Connection, Dialect, Engine, LargeBinary
from sqlalchemy.types import TypeDecorator

from api.core.keyring import KeyRing
from api.core.logging import get_logger

logger = get_logger("crypto")

_NONCE = 12
_LOOK_AGAIN = 1.0  # seconds after which the key ring is read again: a rotation waits longer before it begins


class WrongKeyError(Exception):
    """数据是用另一个密钥加密的：请把 TINGSU_PII_KEY（或数据目录里的密钥文件）设回写入时所用的密钥。"""

    def __init__(self, why: str = "") -> None:
        super().__init__(f"{WrongKeyError.__doc__}{why}")


class _Key:
    """Keys for their separate purposes, all derived from one master key."""

    def __init__(self, number: int, master: bytes) -> None:
        self.number = number
        self._fields = AESGCM(_derive(master, b"fields"))
        self.token = _derive(master, b"conversation tokens")
        self._blind = _derive(master, b"blind index")
        self.file = _derive(master, b"files")
        self.search = _derive(master, b"search")

    def encrypt(self, value: bytes, place: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return bytes((self.number,)) + nonce + self._fields.encrypt(nonce, value, place)

    def decrypt(self, blob: bytes, place: bytes) -> bytes:
        try:
            return self._fields.decrypt(blob[1 : 1 + _NONCE], blob[1 + _NONCE :], place)
        except (InvalidTag, ValueError) as error:
            raise WrongKeyError from error

    def blind_index(self, digits: str) -> str:
        """Names its key, so that a rotation finds those still to do; the first key's are older than this and do not."""
        index = hmac.new(self._blind, digits.encode(), hashlib.sha256).hexdigest()
        return index if self.number == 1 else f"{self.number:02x}.{index[:60]}"


class Cipher:
    """Encrypts with the current key, reads with any key of the ring, which `load` gives.

    A blob is key number (1 byte), nonce (12), ciphertext and tag. The ring is read again from time to time, and at once
    when a blob names a key that is not there: so a running process follows a rotation without a restart.
    """

    def __init__(self, load: Callable[[], KeyRing]) -> None:
        self._load = load
        self._state = _with_keys(load())
        self._read_at = time.monotonic()

    @property
    def ring(self) -> KeyRing:
        return self._fresh()[0]

    def encrypt(self, value: bytes, place: bytes) -> bytes:
        """`place` (table.column) is authenticated too: a blob moved to another column does not open."""
        return self._current.encrypt(value, place)

    def encrypt_with(self, number: int, value: bytes, place: bytes) -> bytes:
        """With a certain key of the ring, to prove later that it is the same."""
        return self._fresh()[1][number].encrypt(value, place)

    def decrypt(self, blob: bytes, place: bytes) -> bytes:
        number = blob[0] if blob else 0
        key = self._fresh()[1].get(number) or self._fresh(at_once=True)[1].get(number)
        if key is None:
            raise WrongKeyError(f"（缺少编号 {number} 的密钥）")
        return key.decrypt(blob, place)

    def blind_index(self, value: str) -> str:
        """Equal values give equal indexes; only digits count, so that spaces and +86 do not matter."""
        return self._current.blind_index(_digits(value))

    def blind_indexes(self, value: str) -> tuple[str, ...]:
        """What to look for: rows written with any key of the ring are found, the current key's index first."""
        ring, keys = self._fresh()
        order = sorted(keys, key=lambda number: (number != ring.current, -number))
        return tuple(keys[number].blind_index(_digits(value)) for number in order)

    @property
    def token_key(self) -> bytes:
        return self._current.token

    @property
    def token_keys(self) -> tuple[bytes, ...]:
        """Tokens given out under an older key hold as long as that key is in the ring."""
        return tuple(key.token for key in self._fresh()[1].values())

    @property
    def file_key(self) -> bytes:
        """For addresses and keys of files (api.core.files); a file's row keeps them, so that an older key need not be asked."""
        return self._current.file

    @property
    def search_keys(self) -> Mapping[int, bytes]:
        """By number, the current one first: what was indexed under an older key is looked for under that."""
        ring, keys = self._fresh()
        return {number: keys[number].search for number in (ring.current, *ring.old)}

    @property
    def _current(self) -> _Key:
        ring, keys = self._fresh()
        return keys[ring.current]

    def _fresh(self, *, at_once: bool = False) -> tuple[KeyRing, Mapping[int, _Key]]:
        now = time.monotonic()
        if at_once or now - self._read_at >= _LOOK_AGAIN:
            self._read_at = now
            try:
                ring = self._load()
            except (OSError, ValueError) as error:
                logger.error("keys_not_read", error=type(error).__name__)  # what was read before still holds
                return self._state
            if ring != self._state[0]:
                self._state = _with_keys(ring)
        return self._state


def _with_keys(ring: KeyRing) -> tuple[KeyRing, Mapping[int, _Key]]:
    return ring, {number: _Key(number, master) for number, master in ring.keys.items()}


def _digits(value: str) -> str:
    return re.sub(r"\D", "", value)[-11:]


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"tingsu " + purpose).derive(master)


# A dialect object belongs to one engine, so each database keeps its own key and two apps in one process do not mix.
_CIPHERS: WeakKeyDictionary[Dialect, Cipher] = WeakKeyDictionary()


def install_cipher(engine: Engine, cipher: Cipher) -> None:
    _CIPHERS[engine.dialect] = cipher


def cipher_of(connection: Connection) -> Cipher:
    return _CIPHERS[connection.dialect]


class EncryptedBytes(TypeDecorator[bytes]):
    """Bytes that only holders of the key can read; `place` is the table and column.

    A column with `info={"blind_index_of": name}` holds the blind index of the encrypted column `name`.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        return None if value is None else _CIPHERS[dialect].encrypt(self.to_bytes(value), self.place.encode())

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self.from_bytes(_CIPHERS[dialect].decrypt(bytes(value), self.place.encode()))

    def to_bytes(self, value: Any) -> bytes:
        return bytes(value)

    def from_bytes(self, value: bytes) -> Any:
        return value


class EncryptedText(EncryptedBytes):
    """Text at rest as EncryptedBytes."""

    cache_ok = True

    def to_bytes(self, value: Any) -> bytes:
        return str(value).encode()

    def from_bytes(self, value: bytes) -> Any:
        return value.decode()


class EncryptedJson(EncryptedBytes):
    """A JSON value at rest as EncryptedBytes."""

    cache_ok = True

    def to_bytes(self, value: Any) -> bytes:
        return to_json(value)

    def from_bytes(self, value: bytes) -> Any:
        return from_json(value)
