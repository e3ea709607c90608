"""SQL of clusters."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, or_, select

from api.core.clock import SKEW
from api.core.models import AnyRow
from api.core.security import SYSTEM
from api.tickets import repository
from api.tickets.clusters.rules import UNKNOWN, Group
from api.tickets.lifecycle import EventType, State
from api.tickets.models import tickets
from api.tickets.thread import record
from contract.ticket import Nature

_NO_MATTER = (State.WITHDRAWN, State.MERGED, State.REJECTED_NOT_COMPLAINT)

_t = tickets.c

Window = tuple[datetime, datetime]  # from (exclusive) until now
_CUSTOMER = func.coalesce(_t.phone_index, _t.conversation_id, _t.ticket_no)


def by_branch(connection: Connection, window: Window, ours: Iterable[str]) -> list[AnyRow]:
    """How many customers and loose tickets each branch has of each cause."""
    named = (_t.branch != "", _t.cause_l1 != UNKNOWN)
    return _counted(connection, (_t.branch, _t.cause_l1), *named, *_counting(window, ours))


def by_product(connection: Connection, window: Window, ours: Iterable[str]) -> list[AnyRow]:
    """The same of each product, as it was written."""
    return _counted(connection, (_t.product,), _t.product != "", *_counting(window, ours))


def tickets_of(
    connection: Connection, group: Group, window: Window, ours: Iterable[str], *, loose: bool
) -> list[AnyRow]:
    """In the order of filing; `loose`: only those that belong to no incident."""
    mine = [*_counting(window, () if loose else ours)]
    mine += (
        [_t.product.in_(group.products)] if group.products else [_t.branch == group.branch, _t.cause_l1 == group.cause]
    )
    shown = select(_t.id, _t.ticket_no, _t.product, _t.created_at, _t.incident_id, _CUSTOMER.label("customer"))
    return list(connection.execute(shown.where(*mine).order_by(_t.id)))


def _counted(
    connection: Connection, by: Sequence[ColumnElement[Any]], *conditions: ColumnElement[bool]
) -> list[AnyRow]:
    customers = func.count(_CUSTOMER.distinct()).label("customers")
    loose = func.sum(case((_t.incident_id.is_(None), 1), else_=0)).label("loose")
    return list(connection.execute(select(*by, customers, loose).where(*conditions).group_by(*by)))


def _counting(window: Window, ours: Iterable[str]) -> tuple[ColumnElement[bool], ...]:
    """Complaints of that time. A sealed one never counts: others would read of it; nor does one of an incident that is not
    among `ours`, for what a supervisor announced needs no second one. What a clock that was ahead has filed counts until it
    belongs to an incident.
    """
    return (
        _t.created_at > window[0],
        or_(_t.created_at <= window[1] + SKEW, _t.incident_id.is_(None)),
        _t.nature == Nature.COMPLAINT,
        _t.restricted.is_(False),
        _t.state.not_in(_NO_MATTER),
        or_(_t.incident_id.is_(None), _t.incident_id.in_(list(ours))),
    )


def grew(connection: Connection, incident_no: str, window: Window) -> bool:
    """Whether a ticket of an incident was filed in that time."""
    then = (_t.created_at > window[0], _t.created_at <= window[1] + SKEW)
    return (
        connection.execute(select(_t.id).where(*then, _t.incident_id == incident_no).limit(1)).one_or_none() is not None
    )


def newest(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(_t.id), 0))).scalar_one())


def join_incident(connection: Connection, rows: Iterable[AnyRow], incident_no: str, now: datetime) -> int:
    """How many were linked: what belongs to an incident already stays there, what was sealed meanwhile keeps to itself."""
    linked = 0
    for row in rows:
        ticket = repository.find(connection, row.ticket_no, lock=True)
        if ticket is None or ticket.incident_id is not None or ticket.restricted:
            continue
        repository.change(connection, ticket.ticket_no, {"incident_id": incident_no, "updated_at": now})
        told = {"text": f"归入事件 {incident_no}（同类投诉集中出现，待核实）。", "incident_id": incident_no}
        record(connection, ticket_no=ticket.ticket_no, kind=EventType.COMMENT, by=SYSTEM, data=told, now=now)
        linked += 1
    return linked


def linked_to(connection: Connection, incident_no: str) -> int:
    """How many tickets belong to it, without sealed ones."""
    mine = (_t.incident_id == incident_no, _t.restricted.is_(False))
    return int(connection.execute(select(func.count()).select_from(tickets).where(*mine)).scalar_one())
