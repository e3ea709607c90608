"""SQL of accounts; each function runs inside its caller's transaction."""

import json
from collections.abc import Set

from sqlalchemy import Connection, String, cast, or_, select

from api.core.models import AnyRow, staff
from api.core.security import Role

_HANDLING = (Role.HANDLER, Role.SUPERVISOR, Role.ADMIN)


def accounts_named(connection: Connection, name: str) -> list[AnyRow]:
    """By either name; two people may share the one that is shown."""
    named = or_(staff.c.username == name, staff.c.display_name == name)
    return list(connection.execute(select(staff.c.username, staff.c.role, staff.c.active).where(named)))


def members(connection: Connection, *, persons: Set[str] = frozenset(), units: Set[str]) -> list[tuple[str, set[str]]]:
    """Active accounts that may handle tickets, by name or of one of these units, each with all units it belongs to."""
    if not persons and not units:
        return []
    listed = cast(staff.c.units, String)
    named = or_(
        staff.c.username.in_(persons),
        staff.c.unit.in_(units),
        *(listed.contains(json.dumps(unit), autoescape=True) for unit in sorted(units)),
    )
    active = select(staff.c.username, staff.c.unit, staff.c.units).where(staff.c.active, staff.c.role.in_(_HANDLING))
    return [
        (row.username, {*(row.units or ()), *([row.unit] if row.unit else [])})
        for row in connection.execute(active.where(named))
    ]


def units_of_staff(connection: Connection) -> set[str]:
    rows = connection.execute(select(staff.c.unit, staff.c.units).where(staff.c.active)).all()
    return {unit for row in rows for unit in (row.unit, *(row.units or ())) if unit}
