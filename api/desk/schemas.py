"""What staff accounts, sessions and keys look like on the wire."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictBool, StringConstraints, WithJsonSchema

from api.core.clock import rfc3339
from api.core.models import AnyRow
from api.core.scopes import Scope
from api.core.security import RESERVED_NAMES, STAFF_ROLES, Principal, Role
from api.core.sessions import units_of
from api.desk.staff import locked_until
from contract.base import Frozen, Moment


def _no_bot(role: Role) -> Role:
    if role not in STAFF_ROLES:
        raise ValueError("角色只能是 agent、supervisor、handler、auditor、admin")
    return role


def _nobody_else(username: str) -> str:
    if username.lower() in RESERVED_NAMES:
        raise ValueError("这个用户名是系统保留的，请换一个")
    return username


Username = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,63}$"), AfterValidator(_nobody_else)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]
Unit = Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]
Units = Annotated[tuple[Unit, ...], Field(max_length=32)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=256)]
StaffRole = Annotated[
    Role, AfterValidator(_no_bot), WithJsonSchema({"type": "string", "enum": sorted(STAFF_ROLES), "title": "StaffRole"})
]


class LoginIn(Frozen):
    """A staff account."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    password: Password


class PasswordIn(Frozen):
    """Whoever sits at an open session has to know the old one."""

    old: Password
    new: Password


class StaffIn(Frozen):
    """A new account; its one-time password is in the answer."""

    username: Username
    display_name: Name
    role: StaffRole
    units: Units = ()
    # Logs in at the identity provider, under this username; has no password here.
    single_sign_on: StrictBool = False


class StaffChange(Frozen):
    """Only what is named changes."""

    display_name: Name | None = None
    role: StaffRole | None = None
    units: Units | None = None
    active: StrictBool | None = None


class KeyIn(Frozen):
    """A key for another system; no scopes: everything that the role may."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    role: StaffRole
    scopes: Annotated[tuple[Scope, ...], Field(max_length=len(Scope))] = ()
    units: Units = ()
    expires_at: Moment | None = None


class StaffOut(Frozen):
    """The account as its owner sees it."""

    username: str
    display_name: str
    role: str
    unit: str | None
    units: tuple[str, ...]
    password_temporary: bool


def shown(principal: Principal) -> StaffOut:
    return StaffOut(
        username=principal.id,
        display_name=principal.name,
        role=principal.role,
        unit=principal.unit,
        units=principal.units,
        password_temporary=principal.password_temporary,
    )


def account_out(row: AnyRow, now: datetime) -> dict[str, Any]:
    """The account as administrators see it; never its password."""
    units = units_of(row)
    locked = locked_until(row, now)
    return {
        "username": row.username,
        "display_name": row.display_name,
        "role": row.role,
        "unit": units[0] if units else None,
        "units": units,
        "active": row.active,
        "password_temporary": row.password_temporary,
        "locked_until": rfc3339(locked) if locked else None,
        "single_sign_on": row.oidc_subject is not None,
        "created_at": rfc3339(row.created_at),
    }


def key_out(row: AnyRow) -> dict[str, Any]:
    """A key without the key."""
    times = ("created_at", "expires_at", "used_at", "revoked_at")
    shown_times = {name: rfc3339(moment) if (moment := getattr(row, name)) else None for name in times}
    named = {name: getattr(row, name) for name in ("id", "name", "prefix", "role", "units", "scopes", "created_by")}
    return {**named, **shown_times}
