"""SQL of the reconciliation; each function runs inside its caller's transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, and_, cast, exists, func, insert, literal, select

from api.core.models import AnyRow
from api.tickets.handoff.models import acks, outbox
from api.tickets.handoff.reconciliation.models import reconciliations
from api.tickets.handoff.repository import Sieve
from api.tickets.handoff.webhooks.models import deliveries
from api.tickets.handoff.webhooks.repository import sieve_of
from api.tickets.models import ticket_events, tickets

_o, _e, _d = outbox.c, ticket_events.c, deliveries.c


@dataclass(frozen=True, slots=True)
class Window:
    """Entries by id, or events by position, after one and up to another: unlike moments they are indexed, and no clock moves them."""

    after: int
    upto: int

    def holds(self, column: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        return [column > self.after, column <= self.upto]


def last_entry(connection: Connection, before: datetime) -> int:
    """The newest one that is older; 0 when there is none. Only what is younger is read."""
    older = select(_e.id).where(_e.created_at < before).order_by(_e.id.desc()).limit(1)
    return connection.execute(older).scalar_one_or_none() or 0


def last_position(connection: Connection, before: datetime) -> int:
    """As `last_entry`, of events."""
    older = select(_o.position).where(_o.position.is_not(None), _o.created_at < before)
    return connection.execute(older.order_by(_o.position.desc()).limit(1)).scalar_one_or_none() or 0


def count_entries(connection: Connection, entries: Window) -> int:
    return _count(connection, select(func.count()).where(*entries.holds(_e.id)))


def count_events(connection: Connection, events: Window) -> int:
    return _count(connection, select(func.count()).where(*events.holds(_o.position)))


def entries_without_event(connection: Connection, entries: Window, limit: int) -> list[AnyRow]:
    """Entries of the thread that nothing in the outbox tells of, oldest first."""
    # As handoff.repository.event_id makes it: other occasions share the version.
    told = exists().where(_o.event_id == literal("evt_") + _e.ticket_no + "_" + cast(_e.seq, String))
    statement = select(ticket_events).where(_e.seq.is_not(None), ~told, *entries.holds(_e.id))
    return list(connection.execute(statement.order_by(_e.id).limit(limit)))


def waiting(connection: Connection, before: datetime) -> int:
    """Events older than `before` that the relay has not numbered."""
    return _count(connection, select(func.count()).where(_o.position.is_(None), _o.created_at < before))


def expected(connection: Connection, webhook: AnyRow, events: Window) -> int:
    """Events that a webhook is to receive, from its beginning on."""
    statement = _with_tickets(select(func.count())).where(
        *events.holds(_o.position), *sieve_of(webhook).conditions(), _o.created_at >= webhook.created_at
    )
    return _count(connection, statement)


def states(connection: Connection, webhook: AnyRow, events: Window) -> dict[str, int]:
    """Deliveries of these events by state."""
    mine = (_d.webhook_id == webhook.id, _d.event_id == _o.event_id)
    # Not joined: the events are to be read first, whatever the planner thinks of the webhook's deliveries.
    found = select(_d.state).where(*mine).correlate(outbox).scalar_subquery().label("delivery")
    each = select(found).select_from(outbox).where(*events.holds(_o.position)).subquery()
    counted = select(each.c.delivery, func.count()).group_by(each.c.delivery)
    return {state: count for state, count in connection.execute(counted) if state is not None}


def dead(connection: Connection, webhook_id: str) -> int:
    """All of them: a delivery dies days after its event."""
    return _count(connection, select(func.count()).where(_d.webhook_id == webhook_id, _d.state == "dead"))


def oldest_pending(connection: Connection, webhook_id: str) -> datetime | None:
    pending = (_d.webhook_id == webhook_id, _d.state == "pending")
    found: datetime | None = connection.execute(select(func.min(_d.happened_at)).where(*pending)).scalar_one()
    return found


def beyond(connection: Connection, sieve: Sieve, position: int, before: datetime) -> int:
    """Events after a position that pass a sieve and are old enough to be missed."""
    statement = _with_tickets(select(func.count())).where(_o.position > position, *sieve.conditions())
    return _count(connection, statement.where(_o.published_at < before))


def consumers(connection: Connection, events: Window) -> list[AnyRow]:
    """Who acknowledged how many of these events, with the last position of each."""
    statement = (
        select(acks.c.consumer, func.count().label("acknowledged"), func.max(_o.position).label("position"))
        .join_from(outbox, acks, and_(acks.c.ticket_no == _o.ticket_no, acks.c.event_id == _o.event_id))
        .where(*events.holds(_o.position))
        .group_by(acks.c.consumer)
    )
    return list(connection.execute(statement.order_by(acks.c.consumer)))


def keep(connection: Connection, values: dict[str, Any]) -> int:
    """Its number."""
    made = insert(reconciliations).values(values).returning(reconciliations.c.id)
    return int(connection.execute(made).scalar_one())


def newest(connection: Connection, not_after: datetime | None = None) -> AnyRow | None:
    """`not_after`: one that a clock which was ahead has made does not count."""
    statement = select(reconciliations).order_by(reconciliations.c.id.desc()).limit(1)
    if not_after is not None:
        statement = statement.where(reconciliations.c.until <= not_after)
    return connection.execute(statement).one_or_none()


def page(connection: Connection, *, before: int | None, limit: int) -> list[AnyRow]:
    """The newest first."""
    statement = select(reconciliations)
    if before is not None:
        statement = statement.where(reconciliations.c.id < before)
    return list(connection.execute(statement.order_by(reconciliations.c.id.desc()).limit(limit)))


def first_moment(connection: Connection) -> datetime | None:
    """Of the oldest entry of any thread."""
    return connection.execute(select(_e.created_at).order_by(_e.id).limit(1)).scalar_one_or_none()


def _with_tickets(statement: Select[Any]) -> Select[Any]:
    return statement.join_from(outbox, tickets, tickets.c.ticket_no == _o.ticket_no, isouter=True)


def _count(connection: Connection, statement: Select[Any]) -> int:
    return int(connection.execute(statement).scalar_one())
