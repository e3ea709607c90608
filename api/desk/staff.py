"""Accounts in SQL: the first one is made at start; passwords as argon2 hashes only."""

import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, update

from api.core import audit
from api.core.clock import SKEW
from api.core.errors import InvalidError
from api.core.models import AnyRow, staff
from api.core.security import Role, hash_password, password_matches
from api.core.sessions import close_sessions
from api.core.settings import Settings

FIRST_ACCOUNT = "admin"
PASSWORD_FILE = "admin-password.txt"  # noqa: S105 - the name of the file the launcher reads, not a password
SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 256

# Ten wrong guesses a quarter of an hour; then strange browsers have to wait as long.
WINDOW = timedelta(minutes=15)
GUESSES = 10
UNLOCKED: dict[str, Any] = {"failures": 0, "failing_since": None, "locked_until": None}


class WeakPasswordError(InvalidError):
    """Too short, or made of the username."""

    code = "weak_password"
    message = f"新密码至少要 {SHORTEST_PASSWORD} 个字符，不能包含用户名，也不能只是同一个字符，请换一个。"


@dataclass(frozen=True, slots=True)
class _First:
    """What to do about the first account."""

    password: str
    generated: bool


def ensure_admin(connection: Connection, settings: Settings, now: datetime) -> bool:
    """Makes `admin` when missing. A new password in the settings always wins, so that an operator can reset it: whoever was
    in is out, and the operator comes in. True when it did.
    """
    account = find(connection, FIRST_ACCOUNT, lock=True)
    given = settings.admin_password.get_secret_value() if settings.admin_password else None
    if account is None:
        first = _First(given or secrets.token_urlsafe(15), generated=given is None)
        add(connection, username=FIRST_ACCOUNT, role=Role.ADMIN, password=first.password, now=now)
        if first.generated:
            _write_secret(settings.data_dir / PASSWORD_FILE, first.password)
        return False
    if given is None or password_matches(account.password_hash, given):
        return False
    values = {"password_hash": hash_password(given), "password_temporary": False, "active": True, **UNLOCKED}
    change(connection, account, values, who="settings", action="password", now=now)
    close_sessions(connection, account.id)
    return True


def add(
    connection: Connection,
    *,
    username: str,
    role: Role,
    password: str,
    now: datetime,
    unit: str | None = None,
    who: str = "settings",
    **more: Any,
) -> None:
    """`more`: further columns. `password` empty: none that anybody could know."""
    values = {
        "username": username,
        "display_name": username,
        "role": role,
        "unit": unit,
        "password_hash": hash_password(password or secrets.token_urlsafe()),
        "active": True,
        "created_at": now,
        **more,
    }
    connection.execute(insert(staff), values)
    told = {name: (None, value) for name, value in values.items() if name not in ("password_hash", "created_at")}
    audit.note(connection, who=who, action="staff.create", subject=username, now=now, changes=told)


def find(connection: Connection, username: str, *, lock: bool = False) -> AnyRow | None:
    statement = select(staff).where(staff.c.username == username)
    return connection.execute(statement.with_for_update() if lock else statement).one_or_none()


def awaited_subject(username: str) -> str:
    """Stands in an account that waits for its owner's first single sign-on."""
    return f"?{username}"


def find_by_subject(connection: Connection, subject: str) -> AnyRow | None:
    return connection.execute(select(staff).where(staff.c.oidc_subject == subject)).one_or_none()


def everybody(connection: Connection) -> list[AnyRow]:
    """By username."""
    return list(connection.execute(select(staff).order_by(staff.c.username)))


def change(
    connection: Connection, account: AnyRow, values: dict[str, Any], *, who: str, action: str, now: datetime
) -> None:
    """Noted by field; of a password only that it changed."""
    connection.execute(update(staff).where(staff.c.id == account.id).values(values))
    before = account._asdict()
    told = {
        name: (before[name], value) if name != "password_hash" else ("…", "…")
        for name, value in values.items()
        if before[name] != value
    }
    audit.note(connection, who=who, action=f"staff.{action}", subject=account.username, now=now, changes=told)


def other_admins(connection: Connection, username: str) -> int:
    """Active administrators beside this one, locked so that two cannot demote each other at once."""
    statement = select(staff.c.username).where(staff.c.role == Role.ADMIN, staff.c.active).with_for_update()
    return sum(name != username for name in connection.execute(statement).scalars())


def check_password(username: str, password: str) -> None:
    """Raises WeakPasswordError."""
    folded = password.casefold()
    if (
        not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD
        or username.casefold() in folded
        or len(set(folded)) < 3
    ):
        raise WeakPasswordError


def one_time_password() -> str:
    return secrets.token_urlsafe(12)


def guessed_wrong(connection: Connection, username: str, now: datetime) -> bool:
    """Counts a wrong password; True when the account is locked by it."""
    account = find(connection, username, lock=True)
    if account is None:
        return False
    fresh = account.failing_since is None or abs(now - account.failing_since) > WINDOW
    failures = 1 if fresh else account.failures + 1
    values: dict[str, Any] = {"failures": failures, "failing_since": now if fresh else account.failing_since}
    locked = failures >= GUESSES
    if locked:
        values = {**UNLOCKED, "locked_until": now + WINDOW}
    connection.execute(update(staff).where(staff.c.id == account.id).values(values))
    audit.note(
        connection, who=username, action="staff.locked" if locked else "staff.wrong_password", subject=username, now=now
    )
    return locked


def locked_until(account: AnyRow, now: datetime) -> datetime | None:
    """None when it is not locked, or was by a clock that was ahead."""
    until: datetime | None = account.locked_until
    return until if until is not None and now < until <= now + WINDOW + SKEW else None


def logged_in(connection: Connection, account: AnyRow, now: datetime, how: str) -> None:
    if account.failures or account.locked_until:
        connection.execute(update(staff).where(staff.c.id == account.id).values(UNLOCKED))
    audit.note(connection, who=account.username, action=f"staff.login_{how}", subject=account.username, now=now)


def _write_secret(path: Path, secret: str) -> None:
    """Read once by the launcher, which shows it; the file stays for whoever may read the data directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secret + "\n")
