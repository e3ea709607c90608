"""SQL of the outbox; each function runs inside its caller's transaction."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, case, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from api.core.models import AnyRow, counters
from api.tickets import repository as tickets_repository
from api.tickets.access import is_in_use
from api.tickets.handoff.models import acks, outbox
from api.tickets.handoff.payload import snapshot
from api.tickets.handoff.webhooks.models import deliveries
from api.tickets.models import tickets

PAGE = 200
_COUNTER = "handoff"
_BATCH = 500  # rows that get their positions in one transaction

# Who has a ticket's data must stop using it, or has to forget it. They say nothing but number and state.
RESTRICTED, ERASED = "restricted", "erased"
LAST_WORDS = (f"ticket.{RESTRICTED}", f"ticket.{ERASED}")

_o, _d = outbox.c, deliveries.c
_ADD = insert(outbox)

# Without the payload: that is read, and decrypted, only for whoever gets it.
_HEAD = select(*(column for column in _o if column.name != "payload"))

# To whom a ticket is sealed: today, or else when the event happened.
SEAL = case((tickets.c.restricted, tickets.c.route), else_=_o.restricted_to)


def _with_seal(statement: Select[Any]) -> Select[Any]:
    return statement.add_columns(SEAL.label("seal"), tickets_repository.IN_USE.label("in_use")).join_from(
        outbox, tickets, tickets.c.ticket_no == _o.ticket_no, isouter=True
    )


# The relay runs after every change: its statements are put together once.
_IS_WAITING = select(_o.id).where(_o.position.is_(None)).limit(1)
_WAITING = _with_seal(_HEAD.where(_o.position.is_(None)).order_by(_o.id).limit(_BATCH))
_THESE = _with_seal(_HEAD.where(_o.id.in_(bindparam("ids", expanding=True))).order_by(_o.id))
_NUMBER = (
    update(outbox)
    .where(_o.id == bindparam("b_id"))
    .values({name: bindparam(name) for name in ("position", "version", "event_id", "published_at")})
)
_LAST = select(counters.c.value).where(counters.c.name == _COUNTER)


@dataclass(frozen=True, slots=True)
class Sieve:
    """What a receiver wants and may have: empty `types` are all types, no `unit` is every unit.

    Sealed tickets pass only for the units that are named. Of tickets whose use is restricted only LAST_WORDS pass, and
    those whatever is wanted: the receiver may have asked for other types, or had the ticket while it was another unit's.
    """

    types: Collection[str] = ()
    unit: str | None = None
    sealed_units: Collection[str] = ()

    def conditions(self) -> list[ColumnElement[bool]]:
        """For statements over outbox joined with tickets."""
        wanted: list[ColumnElement[bool]] = [tickets_repository.IN_USE]
        if self.types:
            wanted.append(_o.type.in_(self.types))
        if self.unit is not None:
            wanted.append(_o.unit == self.unit)
        return [or_(SEAL.is_(None), SEAL.in_(self.sealed_units)), or_(_o.type.in_(LAST_WORDS), and_(*wanted))]

    def passes(self, row: AnyRow) -> bool:
        """The same for a row with `seal` and `in_use`."""
        wanted = (not self.types or row.type in self.types) and (self.unit is None or row.unit == self.unit)
        return (row.seal is None or row.seal in self.sealed_units) and (
            row.type in LAST_WORDS or (row.in_use and wanted)
        )


def event_id(ticket_no: str, version: int, occasion: str = "") -> str:
    """Stable: whoever makes it again for the same change makes the same one."""
    return f"evt_{ticket_no}_{version}" + (f"_{occasion}" if occasion else "")


def add(
    connection: Connection,
    ticket: AnyRow,
    *,
    kind: str,
    entry: dict[str, Any],
    now: datetime,
    occasion: str = "",
) -> None:
    """Hands a change off, with the ticket as it stands after it.

    `entry`: as `payload.snapshot`; its `seq` is the ticket's version. `occasion` tells apart what happens to one version
    without an entry of its own (a deadline that runs out). Whatever happens to a ticket whose use is restricted is told
    as that alone.
    """
    in_use = is_in_use(ticket)
    if not in_use:
        stop(connection, ticket.ticket_no)
    values = {
        "ticket_no": ticket.ticket_no,
        "type": f"ticket.{kind if in_use else RESTRICTED}",
        "state": ticket.state,
        "restricted_to": _sealed_to(ticket),
        "created_at": now,
        "event_id": event_id(ticket.ticket_no, entry["seq"], occasion),
        "version": entry["seq"],
        "unit": ticket.route,
        "payload": snapshot(ticket, entry) if in_use else None,
    }
    connection.execute(_ADD, values)


def add_last_word(connection: Connection, ticket: AnyRow, kind: str, now: datetime) -> None:
    """RESTRICTED or ERASED without an entry in the thread: nothing else of the ticket leaves after it."""
    stop(connection, ticket.ticket_no)
    values = {
        "ticket_no": ticket.ticket_no,
        "type": f"ticket.{kind}",
        "state": ticket.state,
        "restricted_to": _sealed_to(ticket),
        "created_at": now,
        "event_id": event_id(ticket.ticket_no, ticket.version, kind),
        "version": ticket.version,
        "unit": ticket.route,
    }
    connection.execute(insert(outbox), values)


def _sealed_to(ticket: AnyRow) -> str | None:
    return ticket.route if ticket.restricted else None


# For the desk's stream, which looks by id


def newest(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(_o.id), 0))).scalar_one())


def after(connection: Connection, outbox_id: int) -> list[AnyRow]:
    """At most PAGE of them, with `seal` and `in_use`; a full page may have more behind it."""
    return list(connection.execute(_with_seal(_HEAD.where(_o.id > outbox_id)).order_by(_o.id).limit(PAGE)))


# The relay


def is_waiting(connection: Connection) -> bool:
    return connection.execute(_IS_WAITING).first() is not None


def give_positions(connection: Connection, now: datetime) -> list[AnyRow]:
    """The next rows with their new positions, `seal` and `in_use`, in order; an empty list when none waits.

    The counter's row is locked before the rows are read: whoever comes next sees what was numbered here. Changes of one
    ticket hold its row while they take their ids, so that a later one of a ticket is never visible before an earlier one.
    """
    upto = tickets_repository.next_number(connection, _COUNTER, 0)
    rows = list(connection.execute(_WAITING))
    if not rows:
        return []
    tickets_repository.next_number(connection, _COUNTER, len(rows))
    changes = []
    for position, row in enumerate(rows, start=upto + 1):
        version = row.version or _version_of(connection, row)
        named = row.event_id or event_id(row.ticket_no, version)
        changed = {"position": position, "version": version, "event_id": named, "published_at": now}
        changes.append({"b_id": row.id, **changed})
    connection.execute(_NUMBER, changes)
    return list(connection.execute(_THESE, {"ids": [row.id for row in rows]}))


def _version_of(connection: Connection, row: AnyRow) -> int:
    """Of a row written by a process of the version before: it had one row for each entry."""
    earlier = select(func.count()).where(_o.ticket_no == row.ticket_no, _o.id <= row.id)
    return int(connection.execute(earlier).scalar_one())


def last_position(connection: Connection) -> int:
    """The last one that was given, 0 before the first; after a restore it may be far beyond the newest event's."""
    return int(connection.execute(_LAST).scalar_one_or_none() or 0)


def position_before_newest(connection: Connection, count: int) -> int:
    """After it come the newest `count` events."""
    numbered = select(_o.position).where(_o.position.is_not(None))
    found = connection.execute(numbered.order_by(_o.position.desc()).offset(count).limit(1)).scalar_one_or_none()
    return int(found or 0)


def leave_gap(connection: Connection, *, positions: int, versions: int) -> None:
    """What is given from now on differs from what was given after a backup that is in place again."""
    tickets_repository.next_number(connection, _COUNTER, positions)
    connection.execute(update(tickets).values(version=tickets.c.version + versions))


def page(connection: Connection, sieve: Sieve, *, after: int, limit: int) -> list[AnyRow]:
    """Whole rows with `seal` and `in_use`, in order of position."""
    statement = _with_seal(select(outbox)).where(_o.position > after, *sieve.conditions())
    return list(connection.execute(statement.order_by(_o.position).limit(limit)))


def find(connection: Connection, event: str) -> AnyRow | None:
    """The whole row with `seal` and `in_use`."""
    return connection.execute(_with_seal(select(outbox)).where(_o.event_id == event)).one_or_none()


# Personal data


def purge(connection: Connection, before: datetime) -> int:
    """Drops the snapshots of events before `before`; the events stay, with codes only. How many there were."""
    old = (_o.created_at < before, _o.payload.is_not(None))
    return connection.execute(update(outbox).where(*old).values(payload=None)).rowcount


def stop(connection: Connection, ticket_no: str) -> None:
    """Drops all snapshots of a ticket, and what waits for webhooks is withheld. What is being sent decides when it is done."""
    mine = (_o.ticket_no == ticket_no, _o.payload.is_not(None))
    connection.execute(update(outbox).where(*mine).values(payload=None))
    waiting = (_d.ticket_no == ticket_no, _d.state.in_(("pending", "dead")), _d.lease_by.is_(None))
    connection.execute(update(deliveries).where(*waiting).values(state="withheld", last_error="restricted"))


def positions_of(connection: Connection, ticket_no: str, before: int) -> list[int]:
    """Of a ticket's events that were numbered before this position."""
    mine = select(_o.position).where(_o.ticket_no == ticket_no, _o.position < before)
    return list(connection.execute(mine).scalars())


# Acknowledgements


def acknowledge(connection: Connection, values: dict[str, Any]) -> tuple[bool, bool]:
    """Whether it is this consumer's first one of the event, and whether its number of the ticket was not told with this event before.

    The first one stays, but for its number: a back office may open its case later.
    """
    reference = values["external_ref"]
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    added = make(acks).values(values).on_conflict_do_nothing(index_elements=[acks.c.consumer, acks.c.event_id])
    if connection.execute(added.returning(acks.c.event_id)).one_or_none() is not None:
        return True, reference is not None
    if reference is None:
        return False, False
    mine = (acks.c.consumer == values["consumer"], acks.c.event_id == values["event_id"])
    other = update(acks).where(*mine, acks.c.external_ref.is_distinct_from(reference))
    changed = connection.execute(other.values(external_ref=reference, created_at=values["created_at"]))
    return False, bool(changed.rowcount)


def reference_of(connection: Connection, consumer: str, ticket_no: str) -> str | None:
    """The consumer's own number of a ticket, as last told."""
    told = select(acks.c.external_ref).where(
        acks.c.consumer == consumer, acks.c.ticket_no == ticket_no, acks.c.external_ref.is_not(None)
    )
    newest_first = (acks.c.created_at.desc(), acks.c.id.desc())
    return connection.execute(told.order_by(*newest_first).limit(1)).scalar_one_or_none()
