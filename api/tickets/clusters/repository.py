"""SQL of clusters."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, func, select

from api.core.models import AnyRow
from api.core.security import SYSTEM
from api.tickets import repository
from api.tickets.lifecycle import EventType, State
from api.tickets.models import tickets
from api.tickets.thread import record
from contract.ticket import Nature

_NO_MATTER = (State.WITHDRAWN, State.MERGED, State.REJECTED_NOT_COMPLAINT)

_t = tickets.c


def recent(connection: Connection, since: datetime) -> list[AnyRow]:
    """Complaints since then, with whom they are from. A sealed one never counts: others would read of it."""
    customer = func.coalesce(_t.phone_index, _t.conversation_id, _t.ticket_no).label("customer")
    found = select(
        _t.id, _t.ticket_no, _t.branch, _t.branch_name, _t.cause_l1, _t.cause_l2, _t.product, _t.created_at,
        _t.incident_id, customer,
    ).where(
        _t.created_at > since,
        _t.nature == Nature.COMPLAINT,
        _t.restricted.is_(False),
        _t.state.not_in(_NO_MATTER),
    )  # fmt: skip
    return list(connection.execute(found))


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
        record(
            connection,
            ticket_no=ticket.ticket_no,
            kind=EventType.COMMENT,
            by=SYSTEM,
            data=told,
            now=now,
            ticket=ticket._asdict(),
        )
        linked += 1
    return linked


def linked_to(connection: Connection, incident_no: str) -> int:
    """How many tickets belong to it, without sealed ones."""
    mine = (_t.incident_id == incident_no, _t.restricted.is_(False))
    return int(connection.execute(select(func.count()).select_from(tickets).where(*mine)).scalar_one())
