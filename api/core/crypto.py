"""Personal data at rest: AES-256-GCM per field, and blind indexes to find a phone without reading it."""

import hashlib
import hmac
import os
import re
from typing import Any
from weakref import WeakKeyDictionary

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic_core import from_json, to_json
from sqlalchemy import Dialect, Engine, LargeBinary
from sqlalchemy.types import TypeDecorator

_KEY_ID = b"\x01"  # first byte of every blob: which key made it, so that keys can be changed later
_NONCE = 12


class WrongKeyError(Exception):
    """The stored data was encrypted with another key: set TINGSU_PII_KEY to the one it was written with."""


class Cipher:
    """Keys for their separate purposes, all derived from the one master key."""

    def __init__(self, master: bytes) -> None:
        self._fields = AESGCM(_derive(master, b"fields"))
        self._blind = _derive(master, b"blind index")
        self.token_key = _derive(master, b"conversation tokens")

    def encrypt(self, value: bytes, place: bytes) -> bytes:
        """`place` (table.column) is authenticated too: a blob moved to another column does not open."""
        nonce = os.urandom(_NONCE)
        return _KEY_ID + nonce + self._fields.encrypt(nonce, value, place)

    def decrypt(self, blob: bytes, place: bytes) -> bytes:
        try:
            return self._fields.decrypt(blob[1 : 1 + _NONCE], blob[1 + _NONCE :], place)
        except InvalidTag as error:
            raise WrongKeyError(WrongKeyError.__doc__) from error

    def blind_index(self, value: str) -> str:
        """Equal values give equal indexes; only digits count, so that spaces and +86 do not matter."""
        digits = re.sub(r"\D", "", value)
        return hmac.new(self._blind, digits[-11:].encode(), hashlib.sha256).hexdigest()


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"tingsu " + purpose).derive(master)


# A dialect object belongs to one engine, so each database keeps its own key and two apps in one process do not mix.
_CIPHERS: WeakKeyDictionary[Dialect, Cipher] = WeakKeyDictionary()


def install_cipher(engine: Engine, cipher: Cipher) -> None:
    _CIPHERS[engine.dialect] = cipher


class EncryptedBytes(TypeDecorator[bytes]):
    """Bytes that only this process can read; `place` is the table and column."""

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
