"""Secrets of the database's own, made at first use: they outlive the master key, which only encrypts them."""

import secrets

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from api.core.models import kept_secrets

BYTES = 32


def kept_secret(connection: Connection, name: str, ending: bytes = b"") -> bytes:
    """32 random bytes, the same for every process of this database and after every rotation; `ending` tells their kind."""
    found = find_secret(connection, name)
    if found is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(kept_secrets), {"name": name, "value": secrets.token_bytes(BYTES) + ending})
        except IntegrityError:
            pass  # another process made it just now
        found = find_secret(connection, name)
    assert found is not None  # noqa: S101 - it was inserted here or there
    return found


def find_secret(connection: Connection, name: str) -> bytes | None:
    return connection.execute(select(kept_secrets.c.value).where(kept_secrets.c.name == name)).scalar_one_or_none()
