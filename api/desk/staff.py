"""Accounts: the first one is made at start; passwords as argon2 hashes only."""

import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, insert, select, update

from api.core.models import AnyRow, staff
from api.core.security import Role, hash_password, password_matches
from api.core.settings import Settings

FIRST_ACCOUNT = "admin"
PASSWORD_FILE = "admin-password.txt"  # noqa: S105 - the name of the file the launcher reads, not a password


@dataclass(frozen=True, slots=True)
class _First:
    """What to do about the first account."""

    password: str
    generated: bool


def ensure_admin(connection: Connection, settings: Settings, now: datetime) -> None:
    """Makes `admin` when missing. A password in the settings always wins, so that an operator can reset it."""
    account = find(connection, FIRST_ACCOUNT)
    given = settings.admin_password.get_secret_value() if settings.admin_password else None
    if account is None:
        first = _First(given or secrets.token_urlsafe(15), generated=given is None)
        add(connection, username=FIRST_ACCOUNT, role=Role.ADMIN, password=first.password, now=now)
        if first.generated:
            _write_secret(settings.data_dir / PASSWORD_FILE, first.password)
    elif given is not None and not password_matches(account.password_hash, given):
        values = {"password_hash": hash_password(given)}
        connection.execute(update(staff).where(staff.c.username == FIRST_ACCOUNT).values(values))


def add(
    connection: Connection, *, username: str, role: Role, password: str, now: datetime, unit: str | None = None
) -> None:
    values = {
        "username": username,
        "display_name": username,
        "role": role,
        "unit": unit,
        "password_hash": hash_password(password),
        "active": True,
        "created_at": now,
    }
    connection.execute(insert(staff), values)


def find(connection: Connection, username: str) -> AnyRow | None:
    return connection.execute(select(staff).where(staff.c.username == username)).one_or_none()


def _write_secret(path: Path, secret: str) -> None:
    """Read once by the launcher, which shows it; the file stays for whoever may read the data directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secret + "\n")
