"""SQL of webhooks and their deliveries; each function runs inside its caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from api.core.clock import SKEW
from api.core.models import AnyRow
from api.tickets.handoff import repository as events
from api.tickets.handoff.models import outbox
from api.tickets.handoff.repository import Sieve
from api.tickets.handoff.webhooks.models import deliveries, webhooks
from api.tickets.models import tickets

_w, _d = webhooks.c, deliveries.c

# An outage is over when something arrives after this many failures in a row; then the others need not wait any longer.
_OUTAGE = 3
_LONGEST_PAUSE = 60.0  # seconds


def _due(now: Any) -> list[ColumnElement[bool]]:
    return [_d.state == "pending", _d.next_at <= now, or_(_d.lease_until.is_(None), _d.lease_until <= now)]


_NOW = bindparam("now", type_=_d.next_at.type)
# Asked after every change: put together once.
_EVERY = select(webhooks).where(_w.deleted_at.is_(None)).order_by(_w.created_at, _w.id)
_DUE_WEBHOOKS = select(_w.id).where(
    and_(_w.active, _w.deleted_at.is_(None), or_(_w.resume_at.is_(None), _w.resume_at <= _NOW)),
    exists().where(_d.webhook_id == _w.id, *_due(_NOW)),
)


def sieve_of(webhook: AnyRow) -> Sieve:
    return Sieve(types=webhook.types, unit=webhook.unit, sealed_units=webhook.sealed_units)


# Webhooks


def add(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(insert(webhooks), values)


def change(connection: Connection, webhook_id: str, values: dict[str, Any]) -> None:
    connection.execute(update(webhooks).where(_w.id == webhook_id).values(values))


def find(connection: Connection, webhook_id: str) -> AnyRow | None:
    return connection.execute(select(webhooks).where(_w.id == webhook_id, _w.deleted_at.is_(None))).one_or_none()


def every(connection: Connection) -> list[AnyRow]:
    return list(connection.execute(_EVERY))


def counts(connection: Connection) -> dict[str, dict[str, int]]:
    """How many deliveries wait and how many are dead, by webhook."""
    states = select(_d.webhook_id, _d.state, func.count()).where(_d.state.in_(("pending", "dead")))
    found: dict[str, dict[str, int]] = {}
    for webhook_id, state, count in connection.execute(states.group_by(_d.webhook_id, _d.state)):
        found.setdefault(webhook_id, {})[state] = count
    return found


def remove(connection: Connection, webhook_id: str, now: datetime) -> None:
    """It gets nothing more, and its secrets are gone; what it got stays on record."""
    secrets = {"secret": "", "old_secret": None, "url": ""}
    change(connection, webhook_id, {**secrets, "active": False, "deleted_at": now, "updated_at": now})
    waiting = (_d.webhook_id == webhook_id, _d.state == "pending")
    connection.execute(update(deliveries).where(*waiting).values(state="withheld", last_error="deleted"))


# The queue


def enqueue(connection: Connection, rows: Sequence[AnyRow], now: datetime) -> bool:
    """For events with new positions (`handoff.repository.give_positions`): a delivery to each webhook that they pass to.

    What is to be sent at once has been due since it happened, so that any later moment belongs to a try that failed.
    """
    found = every(connection)
    values = [_delivery(webhook.id, row, now) for webhook in found for row in rows if sieve_of(webhook).passes(row)]
    if values:
        connection.execute(insert(deliveries), values)
    return bool(values)


def _delivery(webhook_id: str, row: AnyRow, now: datetime) -> dict[str, Any]:
    return {
        "webhook_id": webhook_id,
        "event_id": row.event_id,
        "ticket_no": row.ticket_no,
        "position": row.position,
        "happened_at": row.created_at,
        "state": "pending",
        "attempts": 0,
        "next_at": min(row.created_at, now),
    }


def due_webhooks(connection: Connection, now: datetime) -> list[AnyRow]:
    """Active ones with something to try now."""
    return list(connection.execute(_DUE_WEBHOOKS, {"now": now}))


def claim(
    connection: Connection, webhook_id: str, *, by: str, now: datetime, until: datetime, limit: int
) -> list[AnyRow]:
    """Up to `limit` deliveries that are now `by`'s alone until `until`; of each ticket only the first that is not done."""
    ready = select(_w.id).where(_w.id == webhook_id, _w.active, or_(_w.resume_at.is_(None), _w.resume_at <= now))
    if connection.execute(ready).first() is None:
        return []
    earlier = deliveries.alias()
    blocked = exists().where(
        earlier.c.webhook_id == webhook_id,
        earlier.c.ticket_no == _d.ticket_no,
        earlier.c.state == "pending",
        earlier.c.position < _d.position,
    )
    free = select(_d.id).where(_d.webhook_id == webhook_id, *_due(now), ~blocked)
    free = free.order_by(_d.next_at, _d.position).limit(limit)
    if connection.dialect.name == "postgresql":
        free = free.with_for_update(skip_locked=True)
    ids = connection.execute(free).scalars().all()
    if not ids:
        return []
    connection.execute(update(deliveries).where(_d.id.in_(ids)).values(lease_by=by, lease_until=until))
    return list(connection.execute(select(deliveries).where(_d.id.in_(ids)).order_by(_d.position)))


def set_right(connection: Connection, now: datetime, lease: timedelta) -> None:
    """What a clock that was ahead has put off until it would have come so far by itself: it is due, or over, now."""
    ahead = or_(_d.tried_at > now + SKEW, _d.happened_at > now + SKEW)
    put_off = (_d.state == "pending", _d.next_at > now, ahead)
    connection.execute(update(deliveries).where(*put_off).values(next_at=now))
    held = (_d.state == "pending", _d.lease_until > now + lease + SKEW)
    connection.execute(update(deliveries).where(*held).values(lease_by=None, lease_until=None))
    paused = _w.resume_at > now + timedelta(seconds=_LONGEST_PAUSE) + SKEW
    connection.execute(update(webhooks).where(paused).values(resume_at=None))


def give_up_leases(connection: Connection, by: str | None = None) -> None:
    """Those of one process that ends; without `by` everybody's, when SQLite says that there is no other process."""
    mine = _d.lease_until.is_not(None) if by is None else _d.lease_by == by
    connection.execute(update(deliveries).where(_d.state == "pending", mine).values(lease_by=None, lease_until=None))


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt failed. `next_at` None: it was the last. `pause`: seconds to begin with when the receiver seems away."""

    status: int | None
    error: str | None
    next_at: datetime | None
    pause: float | None


def delivered(connection: Connection, delivery: AnyRow, *, by: str, status: int | None, now: datetime) -> None:
    """Also lets go what waited for it: the ticket's next event, and after an outage everything."""
    done = {"state": "delivered", "delivered_at": now, "last_error": None}
    if not _end(connection, delivery, by, {**done, "last_status": status, "tried_at": now}):
        return
    _hurry(connection, delivery, and_(_d.ticket_no == delivery.ticket_no, _d.attempts == 0))
    failures = connection.execute(select(_w.failures).where(_w.id == delivery.webhook_id)).scalar_one()
    if failures:
        change(connection, delivery.webhook_id, {"failures": 0, "resume_at": None})
    if failures >= _OUTAGE:
        _hurry(connection, delivery, true())


def failed(connection: Connection, delivery: AnyRow, *, by: str, result: Result, now: datetime) -> bool:
    """False when the lease was lost: then somebody else's result counts."""
    told = {"last_status": result.status, "last_error": result.error, "tried_at": now}
    state = {"next_at": result.next_at} if result.next_at else {"state": "dead"}
    if not _end(connection, delivery, by, {**told, **state}):
        return False
    if result.next_at is not None:
        followers = (
            _d.webhook_id == delivery.webhook_id,
            _d.ticket_no == delivery.ticket_no,
            _d.state == "pending",
            or_(_d.next_at < result.next_at, _d.attempts == 0),
        )
        connection.execute(update(deliveries).where(*followers).values(next_at=result.next_at))
    if result.pause is not None:
        _count_outage(connection, delivery.webhook_id, result.pause, now)
    return True


def withhold(connection: Connection, delivery: AnyRow, *, by: str) -> None:
    """The ticket has been sealed or its use restricted since, or the event is gone: this receiver never gets it."""
    row = events.find(connection, delivery.event_id)
    reason = "restricted" if row is not None and not row.in_use else "sealed"
    _end(connection, delivery, by, {"state": "withheld", "last_error": reason})


def disable(connection: Connection, webhook_id: str, reason: str, now: datetime) -> None:
    """Events go on being collected for it."""
    change(connection, webhook_id, {"active": False, "inactive_reason": reason, "updated_at": now})


def _end(connection: Connection, delivery: AnyRow, by: str, values: dict[str, Any]) -> bool:
    mine = (_d.id == delivery.id, _d.state == "pending", _d.lease_by == by)
    ended = {**values, "attempts": _d.attempts + 1, "lease_by": None, "lease_until": None}
    return connection.execute(update(deliveries).where(*mine).values(ended)).rowcount > 0


def _hurry(connection: Connection, delivery: AnyRow, which: ColumnElement[bool]) -> None:
    waiting = (_d.webhook_id == delivery.webhook_id, _d.state == "pending", _d.next_at > _d.happened_at, which)
    connection.execute(update(deliveries).where(*waiting).values(next_at=_d.happened_at))


def _count_outage(connection: Connection, webhook_id: str, pause: float, now: datetime) -> None:
    """After a few failures in a row the whole queue waits, longer each time: a receiver that is away is not hammered."""
    failures = connection.execute(select(_w.failures).where(_w.id == webhook_id)).scalar_one() + 1
    changes: dict[str, Any] = {"failures": failures}
    if failures >= _OUTAGE:
        seconds = min(_LONGEST_PAUSE, pause * 2 ** min(failures - _OUTAGE, 16))
        changes["resume_at"] = now + timedelta(seconds=seconds)
    change(connection, webhook_id, changes)


def to_send(connection: Connection, delivery: AnyRow) -> tuple[AnyRow, AnyRow] | None:
    """The webhook and the whole event; None when the one is deleted or the other may no longer go there."""
    webhook = find(connection, delivery.webhook_id)
    if webhook is None:
        return None
    row = events.find(connection, delivery.event_id)
    return (webhook, row) if row is not None and _may_have(webhook).passes(row) else None


def _may_have(webhook: AnyRow) -> Sieve:
    """What it asked for once may have changed since: only what it must not get is held back."""
    return Sieve(sealed_units=webhook.sealed_units)


# For people


def page(connection: Connection, webhook_id: str, *, state: str | None, before: int | None, limit: int) -> list[AnyRow]:
    """With the event's type and version; the newest first."""
    statement = select(deliveries, outbox.c.type, outbox.c.version).join_from(
        deliveries, outbox, outbox.c.event_id == _d.event_id, isouter=True
    )
    statement = statement.where(_d.webhook_id == webhook_id)
    if state is not None:
        statement = statement.where(_d.state == state)
    if before is not None:
        statement = statement.where(_d.id < before)
    return list(connection.execute(statement.order_by(_d.id.desc()).limit(limit)))


@dataclass(frozen=True, slots=True)
class Which:
    """Which events to deliver again: one, or those of a time or with positions after `after` and up to `upto`; nothing said:
    whatever is dead.
    """

    event_id: str | None = None
    after: int | None = None
    upto: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    delivered: bool = False


def replay(connection: Connection, webhook: AnyRow, which: Which) -> int:
    """Dead letters (and what was delivered, if wished) wait again under their old ids; of a time also what never was sent."""
    states = ["dead", "withheld", *(["delivered"] if which.delivered or which.event_id else [])]
    o = outbox.c
    allowed = exists().where(o.event_id == _d.event_id, *_may_have(webhook).conditions())
    allowed = allowed.select_from(outbox.outerjoin(tickets, tickets.c.ticket_no == o.ticket_no))
    mine = [_d.webhook_id == webhook.id, _d.state.in_(states), allowed, *_when(_d.happened_at, which)]
    if which.event_id is not None:
        mine.append(_d.event_id == which.event_id)
    again = {"state": "pending", "attempts": 0, "next_at": _d.happened_at, "delivered_at": None, "last_error": None}
    count = connection.execute(update(deliveries).where(*mine).values(again)).rowcount
    if which.event_id is None and which.since is None:
        return count
    return count + enqueue_missing(connection, webhook, which)


def enqueue_missing(connection: Connection, webhook: AnyRow, which: Which) -> int:
    """Deliveries for the events that pass to a webhook and have none; two processes at once make one."""
    columns = ["webhook_id", "event_id", "ticket_no", "position", "happened_at", "state", "attempts", "next_at"]
    o, start = outbox.c, (literal("pending"), literal(0), outbox.c.created_at)
    missing = _missing(
        select(literal(webhook.id), o.event_id, o.ticket_no, o.position, o.created_at, *start), webhook, which
    )
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = make(deliveries).from_select(columns, missing)
    statement = statement.on_conflict_do_nothing(index_elements=[_d.webhook_id, _d.event_id])
    return len(connection.execute(statement.returning(_d.id)).all())


def count_missing(connection: Connection, webhook: AnyRow, which: Which) -> int:
    """How many `enqueue_missing` would make."""
    return int(connection.execute(_missing(select(func.count()), webhook, which)).scalar_one())


def _missing(statement: Select[Any], webhook: AnyRow, which: Which) -> Select[Any]:
    o = outbox.c
    known = exists().where(_d.webhook_id == webhook.id, _d.event_id == o.event_id)
    conditions = [o.position.is_not(None), ~known, *sieve_of(webhook).conditions(), *_when(o.created_at, which)]
    if which.event_id is not None:
        conditions.append(o.event_id == which.event_id)
    if which.after is not None:
        conditions += [o.position > which.after, o.position <= which.upto]
    return statement.join_from(outbox, tickets, tickets.c.ticket_no == o.ticket_no, isouter=True).where(*conditions)


def _when(column: ColumnElement[Any], which: Which) -> list[ColumnElement[bool]]:
    found = [] if which.since is None else [column >= which.since]
    return found if which.until is None else [*found, column < which.until]
