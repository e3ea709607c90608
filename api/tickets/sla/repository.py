"""SQL of policies and of what was told; each function runs inside its caller's transaction."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, insert, or_, select, text, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from api.core.models import AnyRow, counters
from api.tickets.clocks import Told
from api.tickets.lifecycle import RUNNING_STATES
from api.tickets.models import tickets
from api.tickets.sla.models import sla_events, sla_policies

PAGE = 100
_IN_FORCE = "sla_policy"

_t, _e, _p = tickets.c, sla_events.c, sla_policies.c


def register(connection: Connection, *, content_hash: str, content: dict[str, Any], now: datetime) -> int:
    """The version of this policy, known or new, which from now on is the one in force: the last process that starts decides."""
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE sla_policies IN SHARE ROW EXCLUSIVE MODE"))
    known = select(_p.version).where(_p.content_hash == content_hash)
    version = connection.execute(known).scalar_one_or_none()
    if version is None:
        version = connection.execute(select(func.coalesce(func.max(_p.version), 0) + 1)).scalar_one()
        row = {"version": version, "content_hash": content_hash, "content": content, "created_at": now}
        connection.execute(insert(sla_policies), row)
    in_force = make(counters).values(name=_IN_FORCE, value=version)
    connection.execute(in_force.on_conflict_do_update(index_elements=[counters.c.name], set_={"value": version}))
    return int(version)


def in_force(connection: Connection) -> int:
    return int(connection.execute(select(counters.c.value).where(counters.c.name == _IN_FORCE)).scalar_one())


def policy(connection: Connection, version: int) -> dict[str, Any] | None:
    """Its content; None for a version that was never stored."""
    found = connection.execute(select(_p.content).where(_p.version == version)).scalar_one_or_none()
    return None if found is None else dict(found)


def told(connection: Connection, ticket_no: str) -> list[AnyRow]:
    return list(connection.execute(select(sla_events).where(_e.ticket_no == ticket_no).order_by(_e.id)))


def keys(rows: Iterable[AnyRow]) -> Told:
    return frozenset((row.clock, row.kind, row.run) for row in rows)


def tell(connection: Connection, values: dict[str, Any]) -> bool:
    """False when it has been told."""
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    once = (
        make(sla_events).values(values).on_conflict_do_nothing(index_elements=[_e.ticket_no, _e.clock, _e.run, _e.kind])
    )
    # The driver of PostgreSQL counts no rows for an INSERT that returns its key.
    return connection.execute(once.returning(_e.id)).one_or_none() is not None


def due(connection: Connection, now: datetime, after: tuple[datetime, int] | None) -> list[AnyRow]:
    """Tickets that somebody has to look at, the longest waiting first; at most PAGE."""
    statement = select(_t.id, _t.ticket_no, _t.next_check_at).where(_t.next_check_at <= now)
    if after is not None:
        statement = statement.where(tuple_(_t.next_check_at, _t.id) > after)
    return list(connection.execute(statement.order_by(_t.next_check_at, _t.id).limit(PAGE)))


def counted_otherwise(connection: Connection, calendar_version: str, after: int) -> list[AnyRow]:
    """Tickets whose decision is owed and that were counted by another calendar; at most PAGE."""
    other = or_(_t.calendar_version.is_(None), _t.calendar_version != calendar_version)
    statement = select(_t.id, _t.ticket_no).where(_t.state.in_(RUNNING_STATES), other, _t.id > after)
    return list(connection.execute(statement.order_by(_t.id).limit(PAGE)))


def overdue(connection: Connection, now: datetime) -> dict[str, int]:
    """How many tickets run late, by clock."""
    late = {
        "first_contact": and_(_t.first_contact_at.is_(None), _t.first_contact_due_at < now),
        "decision": _t.due_at < now,
        "service": _t.service_due_at < now,
    }
    counted = [func.count().filter(condition).label(clock) for clock, condition in late.items()]
    return dict(connection.execute(select(*counted).where(_t.state.in_(RUNNING_STATES))).one()._asdict())
