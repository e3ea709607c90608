"""SQL of tickets; each function runs inside its caller's transaction."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Executable,
    Select,
    String,
    and_,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from api.core import audit
from api.core.models import AnyRow, counters
from api.core.security import Principal, Role
from api.tickets.access import is_keeper
from api.tickets.lifecycle import RUNNING_STATES, PromiseKind, State
from api.tickets.models import idempotency, is_one_of, promises, ticket_events, ticket_reach, tickets
from api.tickets.promises import Promise
from api.tickets.search import repository as search
from api.tickets.search.words import Wanted

_t = tickets.c

_RARE = 400  # tickets that are rather read than searched in the index of words: one page of a search looks through all
_HOT = 3  # from this level on there is an index of its own

# Not for an ended ticket whose use is restricted (个人信息保护法第四十七条): it is stored, and nothing else.
IN_USE = or_(_t.processing_restricted_at.is_(None), _t.closed_at.is_(None))

_LOOKS = 8  # pages of candidates that one page of a search looks through; a search of rare words far apart goes on by its cursor

# The list never reads encrypted columns but the phone, which it shows masked.
_LIST = select(
    _t.id, _t.ticket_no, _t.state, _t.created_at, _t.updated_at, _t.intake_channel, _t.nature, _t.phone, _t.name,
    _t.branch, _t.branch_name, _t.cause_l1, _t.cause_l2, _t.cause_secondary, _t.request, _t.amount, _t.level,
    _t.level_peak, _t.route, _t.owner, _t.due_at, _t.first_contact_due_at, _t.first_contact_at, _t.repeat_count,
    _t.restricted, _t.tags, _t.summary,
)  # fmt: skip

LISTED = frozenset(_LIST.selected_columns.keys())

_KEY = select(idempotency.c.request_hash, idempotency.c.ticket_no, idempotency.c.merged, idempotency.c.told).where(
    idempotency.c.scope == bindparam("scope"), idempotency.c.key == bindparam("key")
)
# Statements are made once: putting one together costs more than running it.
_ADD = insert(tickets).returning(*_t)
_ADD_EVENT = insert(ticket_events)
_KEEP_KEY = insert(idempotency)
_COUNT_VERSION = (
    update(tickets).where(_t.ticket_no == bindparam("number")).values(version=_t.version + 1).returning(*_t)
)
_PROMISES = select(promises).where(promises.c.ticket_no == bindparam("number")).order_by(promises.c.id)
_ONE = select(tickets).where(_t.ticket_no == bindparam("ticket_no"))


def next_number(connection: Connection, name: str, by: int = 1) -> int:
    """Counts up within the transaction: a ticket that is rolled back gives its number back. Others wait for its end."""
    counted = connection.execute(_count_up(connection.dialect.name), {"counter": name, "by": by})
    return int(counted.scalar_one())


@cache
def _count_up(dialect: str) -> Executable:
    make = sqlite.insert if dialect == "sqlite" else postgresql.insert
    by = bindparam("by", type_=counters.c.value.type)
    return (
        make(counters)
        .values(name=bindparam("counter"), value=by)
        .on_conflict_do_update(index_elements=[counters.c.name], set_={"value": counters.c.value + by})
        .returning(counters.c.value)
    )


def find_key(connection: Connection, scope: str, key: str) -> AnyRow | None:
    return connection.execute(_KEY, {"scope": scope, "key": key}).one_or_none()


def keep_key(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(_KEEP_KEY, values)


def add(connection: Connection, values: dict[str, Any]) -> AnyRow:
    """The row as it is stored."""
    row = connection.execute(_ADD, values).one()
    search.add(connection, row.id, search.texts_of(values))
    audit.changed(connection, values["ticket_no"], audit.changes_of(connection, tickets, {}, values))
    return row


def change(connection: Connection, ticket_no: str, values: dict[str, Any]) -> None:
    """What changes goes into the audit chain with the entry that `record` makes next, else in the name of the system."""
    mine = _t.ticket_no == ticket_no
    before = connection.execute(select(*(_t[name] for name in values)).where(mine)).one()
    connection.execute(update(tickets).where(mine).values(values))
    search.index(connection, ticket_no, search.texts_of(values))
    audit.changed(connection, ticket_no, audit.changes_of(connection, tickets, before._asdict(), values))


def one_at_a_time(connection: Connection, what: str) -> None:
    """Until this transaction ends, others who name the same wait; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        key = int(hashlib.sha256(what.encode()).hexdigest()[:15], 16)
        connection.execute(select(func.pg_advisory_xact_lock(key)))


def running_of(connection: Connection, owners: Sequence[str]) -> dict[str, int]:
    """How many running tickets each of them has; who has none is not in it."""
    counted = (
        select(_t.owner, func.count()).where(_t.owner.in_(owners), _t.state.in_(RUNNING_STATES)).group_by(_t.owner)
    )
    return {owner: count for owner, count in connection.execute(counted)}


def next_version(connection: Connection, ticket_no: str) -> AnyRow:
    """Counts the ticket's thread up by one entry; the ticket as it then stands."""
    return connection.execute(_COUNT_VERSION, {"number": ticket_no}).one()


def find(
    connection: Connection, ticket_no: str, *, lock: bool = False, seen_by: Principal | None = None
) -> AnyRow | None:
    """None also when it is hidden from `seen_by`; without one it is the system itself that looks."""
    statement = _ONE.with_for_update() if lock else _ONE
    if seen_by is not None:
        statement = statement.where(visible_to(seen_by))
    return connection.execute(statement, {"ticket_no": ticket_no}).one_or_none()


def lock(connection: Connection, numbers: Iterable[str]) -> None:
    """In the order of their numbers, whatever order they are named in; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        wanted = select(_t.ticket_no).where(_t.ticket_no.in_(set(numbers))).order_by(_t.ticket_no)
        connection.execute(wanted.with_for_update()).all()


def newest_of(connection: Connection, conversation_id: str) -> str | None:
    """The number of the ticket that was filed last from a conversation."""
    mine = select(_t.ticket_no).where(_t.conversation_id == conversation_id).order_by(_t.id.desc()).limit(1)
    return connection.execute(mine).scalar_one_or_none()


def promise(connection: Connection, ticket_no: str, promised: Iterable[Promise], now: datetime) -> int:
    """How many were made: what is still open of a kind is not promised a second time."""
    promised = list(promised)
    if not promised:
        return 0
    still_open = {row.kind for row in promises_of(connection, ticket_no) if row.met_at is None}
    rows = [
        {"ticket_no": ticket_no, "kind": one.kind, "text": one.text, "due_at": one.due_at, "made_at": now}
        for one in promised
        if one.kind not in still_open
    ]
    if rows:
        connection.execute(insert(promises), rows)
    return len(rows)


def promises_of(connection: Connection, ticket_no: str) -> list[AnyRow]:
    return list(connection.execute(_PROMISES, {"number": ticket_no}))


def keep_promise(connection: Connection, ticket_no: str, kind: PromiseKind, now: datetime) -> bool:
    """False when nothing of this kind was open."""
    mine = (promises.c.ticket_no == ticket_no, promises.c.kind == kind, promises.c.met_at.is_(None))
    return connection.execute(update(promises).where(*mine).values(met_at=now)).rowcount > 0


def move_promises(connection: Connection, ticket_no: str, into: str) -> list[int]:
    """What was promised in a ticket that ends by merging is owed in the other one; which they were."""
    mine = (promises.c.ticket_no == ticket_no, promises.c.met_at.is_(None))
    return list(
        connection.execute(update(promises).where(*mine).values(ticket_no=into).returning(promises.c.id)).scalars()
    )


def return_promises(connection: Connection, ids: Sequence[int], ticket_no: str, to: str) -> None:
    """Those that moved and are still owed; one that was kept meanwhile stays where it was kept."""
    moved = (promises.c.id.in_(ids), promises.c.ticket_no == ticket_no, promises.c.met_at.is_(None))
    connection.execute(update(promises).where(*moved).values(ticket_no=to))


def keep_rating(connection: Connection, conversation_id: str, rating: dict[str, Any]) -> None:
    """With the ticket that this conversation was rated for: the one that was closed last, else the newest."""
    rated = (
        select(_t.ticket_no)
        .where(_t.conversation_id == conversation_id, _t.state != State.MERGED)
        .order_by(_t.closed_at.is_(None), _t.closed_at.desc(), _t.id.desc())
        .limit(1)
    )
    if (ticket_no := connection.execute(rated).scalar_one_or_none()) is not None:
        change(connection, ticket_no, {"satisfaction": rating})
        at = datetime.fromisoformat(rating["at"])
        audit.note(connection, who="customer", action="ticket.rate", subject=ticket_no, now=at)


def add_event(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(_ADD_EVENT, values)
    search.index(connection, values["ticket_no"], search.texts_told(values["data"]))


def events_of(connection: Connection, ticket_no: str) -> list[AnyRow]:
    statement = select(ticket_events).where(ticket_events.c.ticket_no == ticket_no).order_by(ticket_events.c.id)
    return list(connection.execute(statement))


def is_about(principal: Principal) -> ColumnElement[bool]:
    """access.is_recused in SQL: names stand in JSON lists, each in quotes."""
    names = [(_t.recused_persons, principal.id), *((_t.recused_units, unit) for unit in principal.units)]
    return or_(*(cast(column, String).contains(json.dumps(name), autoescape=True) for column, name in names))


def is_visible(connection: Connection, principal: Principal, ticket_no: str) -> bool:
    found = select(_t.id).where(_t.ticket_no == ticket_no, visible_to(principal))
    return connection.execute(found).one_or_none() is not None


def visible_to(principal: Principal) -> ColumnElement[bool]:
    """What this caller may know of, as the one condition that every list, look-up and write asks with.

    A sealed matter is its unit's and theirs who see everything, but never theirs whom it is about. Back office staff who
    belong to units see what these handle or get a copy of, what is their own, and what is about them (they may still be
    heard); agents find every other matter, because any customer may call them.
    """
    sealed_to_us = not_(is_about(principal))
    if not principal.sees_everything:
        sealed_to_us = and_(_t.route.in_(principal.units), sealed_to_us)
    not_sealed = or_(and_(_t.restricted.is_(False), _in_reach(principal)), sealed_to_us)
    return not_sealed if is_keeper(principal) else and_(IN_USE, not_sealed)


@dataclass(frozen=True, slots=True)
class Page:
    """`next`: the id before which the next page begins; None when this is the last."""

    rows: list[AnyRow]
    next: int | None


def _in_reach(principal: Principal) -> ColumnElement[bool]:
    if principal.role not in (Role.HANDLER, Role.SUPERVISOR) or not principal.units:
        return true()
    units, copied = principal.units, cast(_t.copied, String)
    return or_(
        _t.route.in_(units),
        _t.responsible.in_((*units, principal.id)),
        _t.sent_by.in_(units),
        _t.owner == principal.id,
        _t.operator_id == principal.id,
        is_about(principal),
        *(copied.contains(json.dumps(unit), autoescape=True) for unit in units),
    )


def _theirs(principal: Principal) -> Select[tuple[int]] | None:
    """Beside `visible_to`: where to look for what a small unit sees; None for whoever sees more than units have."""
    if principal.role not in (Role.HANDLER, Role.SUPERVISOR) or not principal.units:
        return None
    return select(ticket_reach.c.ticket_id).where(ticket_reach.c.who.in_((principal.id, *principal.units)))


def page(
    connection: Connection,
    conditions: list[ColumnElement[bool]],
    *,
    seen_by: Principal,
    before: int | None,
    limit: int,
    wanted: Wanted | None = None,
) -> Page:
    """The newest first. A page of a search may be short although there is a next one."""
    return _page(connection, _LIST.where(*conditions), seen_by, before, limit, wanted)


def _page(
    connection: Connection,
    statement: Select[Any],
    seen_by: Principal,
    before: int | None,
    limit: int,
    wanted: Wanted | None,
) -> Page:
    statement, ids = statement.where(visible_to(seen_by)), _theirs(seen_by)
    if wanted is not None and ids is not None and not search.is_more_than(connection, _RARE, ids):
        # The index of words would be read through for the few that are theirs.
        few = search.newest(connection, statement.where(_t.id.in_(ids)), _t.id, before, limit + 1)
        return _searched(connection, few, limit, wanted)
    if wanted is not None:
        found = search.candidates(connection, statement, wanted, before, limit + 1, among=ids)
        return _searched(connection, found, limit, wanted)
    if ids is not None and not search.is_more_than(connection, search.FEW, ids):
        statement = statement.where(_t.id.in_(ids))
    rows = next(search.newest(connection, statement, _t.id, before, limit + 1))
    return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


def _searched(connection: Connection, looks: Iterator[list[AnyRow]], limit: int, wanted: Wanted) -> Page:
    rows: list[AnyRow] = []
    last = None
    for candidates in islice(looks, _LOOKS):
        good = search.confirmed(connection, [row.id for row in candidates], wanted)
        rows += [row for row in candidates if row.id in good]
        if len(rows) > limit:
            return Page(rows[:limit], rows[limit - 1].id)
        if len(candidates) <= limit:
            return Page(rows, None)
        last = candidates[-1].id
    return Page(rows, last)


def export_page(
    connection: Connection,
    *,
    columns: Sequence[Column[Any]],
    conditions: list[ColumnElement[bool]],
    seen_by: Principal,
    before: int | None,
    limit: int,
    wanted: Wanted | None = None,
) -> Page:
    """Only `columns` (the id among them), the newest first."""
    return _page(connection, select(*columns).where(*conditions), seen_by, before, limit, wanted)


def conditions_for(
    *,
    now: datetime,
    state: str | None,
    cause: str | None,
    level_min: int | None,
    route: str | None,
    overdue: bool | None,
    owner: str | None = None,
) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if state is not None:
        found.append(_t.state == state)
    if cause is not None:
        found.append((_t.cause_l2 if cause[-1].isalpha() else _t.cause_l1) == cause)
    if level_min is not None:
        # As parts of the statement: SQLite takes the index of hot tickets only for its own condition, word for word.
        found += [_t.level_peak >= literal_column(str(level)) for level in sorted({min(level_min, _HOT), level_min})]
    if route is not None:
        found.append(_t.route == route)
    if owner is not None:
        found.append(_t.owner == owner)
    if overdue is not None:
        late = is_one_of(RUNNING_STATES) & (_t.due_at < now)
        found.append(late if overdue else ~late)
    return found


def has_phone(phone_indexes: Sequence[str]) -> ColumnElement[bool]:
    return _t.phone_index.in_(phone_indexes)


def has_number(ticket_no: str) -> ColumnElement[bool]:
    return _t.ticket_no == ticket_no
