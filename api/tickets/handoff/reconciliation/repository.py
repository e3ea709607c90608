"""SQL of the reconciliation; each function runs inside its caller's transaction."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, cast, exists, func, insert, literal, select

from api.core.models import AnyRow
from api.tickets.handoff.models import acks, outbox
from api.tickets.handoff.reconciliation.models import reconciliations
from api.tickets.handoff.repository import Sieve
from api.tickets.handoff.webhooks.models import deliveries
from api.tickets.handoff.webhooks.repository import sieve_of
from api.tickets.models import ticket_events, tickets

_o, _e, _d = outbox.c, ticket_events.c, deliveries.c


def between(column: ColumnElement[Any], since: datetime, until: datetime) -> list[ColumnElement[bool]]:
    return [column >= since, column < until]


def count_entries(connection: Connection, since: datetime, until: datetime) -> int:
    return _count(connection, select(func.count()).where(*between(_e.created_at, since, until)))


def count_events(connection: Connection, since: datetime, until: datetime) -> int:
    return _count(connection, select(func.count()).where(*between(_o.created_at, since, until)))


def entries_without_event(connection: Connection, since: datetime, until: datetime, limit: int) -> list[AnyRow]:
    """Entries of the thread that nothing in the outbox tells of, oldest first."""
    # As handoff.repository.event_id makes it: other occasions share the version.
    told = exists().where(_o.event_id == literal("evt_") + _e.ticket_no + "_" + cast(_e.seq, String))
    statement = select(ticket_events).where(_e.seq.is_not(None), ~told, *between(_e.created_at, since, until))
    return list(connection.execute(statement.order_by(_e.id).limit(limit)))


def waiting(connection: Connection, before: datetime) -> int:
    """Events older than `before` that the relay has not numbered."""
    return _count(connection, select(func.count()).where(_o.position.is_(None), _o.created_at < before))


def expected(connection: Connection, webhook: AnyRow, since: datetime, until: datetime) -> int:
    """Events that a webhook is to receive, from its beginning on."""
    since = max(since, webhook.created_at)
    statement = _with_tickets(select(func.count())).where(
        _o.position.is_not(None), *sieve_of(webhook).conditions(), *between(_o.created_at, since, until)
    )
    return _count(connection, statement)


def states(connection: Connection, webhook: AnyRow, since: datetime, until: datetime) -> dict[str, int]:
    """Deliveries of the time by state."""
    mine = (_d.webhook_id == webhook.id, *between(_d.happened_at, since, until))
    counted = select(_d.state, func.count()).where(*mine).group_by(_d.state)
    return {state: count for state, count in connection.execute(counted)}


def oldest_pending(connection: Connection, webhook_id: str) -> datetime | None:
    pending = (_d.webhook_id == webhook_id, _d.state == "pending")
    found: datetime | None = connection.execute(select(func.min(_d.happened_at)).where(*pending)).scalar_one()
    return found


def beyond(connection: Connection, sieve: Sieve, position: int, before: datetime) -> int:
    """Events after a position that pass a sieve and are old enough to be missed."""
    statement = _with_tickets(select(func.count())).where(_o.position > position, *sieve.conditions())
    return _count(connection, statement.where(_o.published_at < before))


def consumers(connection: Connection, since: datetime, until: datetime) -> list[AnyRow]:
    """Who acknowledged how many events of the time, with the last position of each."""
    statement = (
        select(acks.c.consumer, func.count().label("acknowledged"), func.max(_o.position).label("position"))
        .join_from(acks, outbox, _o.event_id == acks.c.event_id)
        .where(*between(_o.created_at, since, until))
        .group_by(acks.c.consumer)
    )
    return list(connection.execute(statement.order_by(acks.c.consumer)))


def keep(connection: Connection, values: dict[str, Any]) -> int:
    """Its number."""
    made = insert(reconciliations).values(values).returning(reconciliations.c.id)
    return int(connection.execute(made).scalar_one())


def newest(connection: Connection) -> AnyRow | None:
    statement = select(reconciliations).order_by(reconciliations.c.id.desc()).limit(1)
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
