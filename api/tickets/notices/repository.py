"""SQL of notices."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, not_, or_, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from api.core.models import AnyRow
from api.core.security import SYSTEM, Principal, Role
from api.tickets.models import tickets
from api.tickets.notices.models import notices
from api.tickets.repository import is_about

PAGE = 200

_n = notices.c


def add(
    connection: Connection,
    *,
    kind: str,
    text: str,
    level: int,
    unique_key: str,
    now: datetime,
    ticket_no: str | None = None,
    incident_no: str | None = None,
    to_unit: str | None = None,
    restricted_to: str | None = None,
) -> bool:
    """False when this occasion has its notice already. `level` 1 (to know) to 4 (page somebody at once).

    `text` is for staff and names nobody's personal data; `restricted_to` is the only unit that hears of a sealed matter.
    """
    values = {
        "kind": kind, "text": text, "level": level, "unique_key": unique_key, "created_at": now, "ticket_no": ticket_no,
        "incident_no": incident_no, "to_unit": to_unit, "restricted_to": restricted_to,
    }  # fmt: skip
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    added = make(notices).values(values).on_conflict_do_nothing(index_elements=[_n.unique_key]).returning(_n.id)
    return connection.execute(added).one_or_none() is not None


def find(connection: Connection, unique_key: str) -> AnyRow | None:
    return connection.execute(select(notices).where(_n.unique_key == unique_key)).one_or_none()


def replaced(connection: Connection, kind: str, incident_no: str, now: datetime) -> None:
    """A newer one of this kind says the same of an incident: nobody has to look at the older ones any more."""
    older = (_n.kind == kind, _n.incident_no == incident_no, _n.acknowledged_at.is_(None))
    connection.execute(update(notices).where(*older).values(acknowledged_at=now, acknowledged_by=SYSTEM.id))


def visible_to(principal: Principal) -> ColumnElement[bool]:
    """Sealed ones to their unit and to those who see everything; a handler's others are those of their own unit."""
    return and_(_for(principal), or_(_n.restricted_to.is_(None), not_(_is_about(principal))))


def _is_about(principal: Principal) -> ColumnElement[bool]:
    """A sealed matter about this reader (回避)."""
    about = select(tickets.c.ticket_no).where(tickets.c.restricted, is_about(principal))
    return and_(_n.ticket_no.is_not(None), _n.ticket_no.in_(about))


def _for(principal: Principal) -> ColumnElement[bool]:
    if principal.sees_everything:
        return true()
    sealed_to_us = _n.restricted_to.in_(principal.units)
    if principal.role is Role.HANDLER:
        ours = or_(_n.to_unit.is_(None), _n.to_unit.in_(principal.units))
        return or_(and_(_n.restricted_to.is_(None), ours), sealed_to_us)
    return or_(_n.restricted_to.is_(None), sealed_to_us)


def page(connection: Connection, principal: Principal, *, open_only: bool, before: int | None) -> list[AnyRow]:
    """The newest first, at most PAGE."""
    statement: Select[Any] = select(notices).where(visible_to(principal))
    if open_only:
        statement = statement.where(_n.acknowledged_at.is_(None))
    if before is not None:
        statement = statement.where(_n.id < before)
    return list(connection.execute(statement.order_by(_n.id.desc()).limit(PAGE)))


def after(connection: Connection, principal: Principal, notice_id: int) -> list[AnyRow]:
    statement = select(notices).where(visible_to(principal), _n.id > notice_id)
    return list(connection.execute(statement.order_by(_n.id).limit(PAGE)))


def newest(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(_n.id), 0))).scalar_one())


def acknowledge(connection: Connection, principal: Principal, notice_id: int, now: datetime) -> AnyRow | None:
    """The notice afterwards, None when there is none to see; the first who says so stays named."""
    mine = (_n.id == notice_id, visible_to(principal))
    seen = update(notices).where(*mine, _n.acknowledged_at.is_(None))
    connection.execute(seen.values(acknowledged_at=now, acknowledged_by=principal.id))
    return connection.execute(select(notices).where(*mine)).one_or_none()
