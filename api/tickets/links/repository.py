"""SQL of what may be the same matter, and of the links that staff see."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from api.core.models import AnyRow
from api.core.security import Principal, Role
from api.tickets import repository
from api.tickets.lifecycle import OPEN_STATES, State
from api.tickets.links.models import ticket_links, ticket_talks
from api.tickets.models import is_one_of, ticket_events, tickets
from api.tickets.repository import is_about, visible_to
from api.tickets.similarity import Reason

_CANDIDATES = 20  # open tickets of one customer that are looked at, newest first; each story has to be decrypted
_SHOWN = 50
_LONGEST_CHAIN = 10  # tickets merged into tickets; merging makes no chains, and more is a ring that should not be there

_t = tickets.c
_l = ticket_links.c

_OTHER = (_t.ticket_no, _t.state, _t.cause_l1, _t.cause_l2)


_COMPARED = (
    select(
        _t.id, _t.ticket_no, _t.phone_index, _t.cause_l1, _t.cause_runner_up, _t.cause_secondary, _t.branch,
        _t.branch_name, _t.product, _t.amount, _t.event_time, _t.narrative_raw,
    )
    .where(
        is_one_of(OPEN_STATES),
        or_(_t.nature == bindparam("nature"), _t.nature == bindparam("or_nature")),
        _t.restricted == bindparam("sealed"),
    )
    .order_by(_t.id.desc())
    .limit(literal_column(str(_CANDIDATES)))
)  # fmt: skip
_BY_PHONE = _COMPARED.where(_t.phone_index == bindparam("key"))
_BY_CONVERSATION = _COMPARED.where(_t.conversation_id == bindparam("key"))


def one_at_a_time(connection: Connection, phones: Sequence[str], conversation_id: str | None) -> None:
    """Until this transaction ends, others filing for the same phone or conversation wait; SQLite has one writer anyway.

    `phones`: a phone's blind indexes by every key of the ring; processes agree on the oldest key.
    """
    if connection.dialect.name != "postgresql":
        return
    keys = [int(phones[-1][-15:], 16)] if phones else []
    if conversation_id:
        keys.append(int(hashlib.sha256(conversation_id.encode()).hexdigest()[:15], 16))
    for key in sorted(keys):  # in one order, so that nobody waits for somebody who waits
        connection.execute(select(func.pg_advisory_xact_lock(key)))


def merged_into(connection: Connection, ticket_no: str, by: Principal | None = None) -> list[AnyRow]:
    """What was merged into a ticket (and this caller may see), in the order of receipt, with the length of each thread."""
    length = select(func.count()).where(ticket_events.c.ticket_no == _t.ticket_no).scalar_subquery()
    shown = (_t.ticket_no, _t.created_at, _t.nature, _t.summary, _t.level_peak, length.label("entries"))
    mine = [_t.parent_ticket == ticket_no, _t.state == State.MERGED]
    if by is not None:
        mine.append(visible_to(by))
    return list(connection.execute(select(*shown).where(*mine).order_by(_t.id)))


def candidates(
    connection: Connection, phones: Sequence[str], conversation_id: str | None, *, natures: Sequence[str], sealed: bool
) -> list[AnyRow]:
    """Open tickets of the same customer, the newest first, with what joining.matter compares.

    A sealed matter never joins an open one, nor is it linked to one: those who work on that one would read of it.
    """
    also = {"nature": natures[0], "or_nature": natures[-1], "sealed": sealed}
    found = {
        row.id: row
        for statement, keys in ((_BY_PHONE, phones), (_BY_CONVERSATION, [conversation_id] if conversation_id else []))
        for key in keys
        for row in connection.execute(statement, {**also, "key": key})
    }
    return sorted(found.values(), key=lambda row: -row.id)[:_CANDIDATES]


def living(connection: Connection, ticket_no: str | None, *, lock: bool = False) -> AnyRow | None:
    """The ticket, or the one that it was merged into."""
    for _ in range(_LONGEST_CHAIN):
        ticket = repository.find(connection, ticket_no, lock=lock) if ticket_no else None
        if ticket is None or ticket.state != State.MERGED or ticket.parent_ticket is None:
            return ticket
        ticket_no = ticket.parent_ticket
    return None


def family(connection: Connection, ticket_no: str) -> set[str]:
    """Its number, that of the ticket it was merged into, and of everything that went into either."""
    parents = select(_t.parent_ticket).where(_t.ticket_no == ticket_no, _t.state == State.MERGED)
    heads = [ticket_no, *connection.execute(parents).scalars()]
    children = select(_t.ticket_no).where(_t.parent_ticket.in_(heads), _t.state == State.MERGED)
    return {*heads, *connection.execute(children).scalars()}


def closed_to(connection: Connection, numbers: Sequence[str], by: Principal) -> set[str]:
    """Those that this caller may not write into by filing: unseen, or about the caller. The bot files for customers."""
    if by.role is Role.INTERNAL or not numbers:
        return set()
    open_to = select(_t.ticket_no).where(_t.ticket_no.in_(numbers), *_open_to(by))
    return set(numbers).difference(connection.execute(open_to).scalars())


def joinable(connection: Connection, ticket_no: str, by: Principal, *, sealed: bool) -> AnyRow | None:
    """The ticket that was found, locked; None when it ended, was sealed or is closed to the caller by now."""
    still = (_t.ticket_no == ticket_no, is_one_of(OPEN_STATES), _t.restricted == sealed, *_open_to(by))
    return connection.execute(select(tickets).where(*still).with_for_update()).one_or_none()


def _open_to(by: Principal) -> list[ColumnElement[bool]]:
    return [] if by.role is Role.INTERNAL else [visible_to(by), not_(is_about(by))]


def link(
    connection: Connection, ticket_no: str, other_no: str, *, kind: str, reasons: Sequence[Reason] = (), now: datetime
) -> None:
    values = {"ticket_no": ticket_no, "other_no": other_no, "kind": kind, "reasons": list(reasons), "created_at": now}
    connection.execute(insert(ticket_links), values)


def keep_talk(connection: Connection, ticket_no: str, conversation_id: str) -> None:
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    values = {"conversation_id": conversation_id, "ticket_no": ticket_no}
    connection.execute(make(ticket_talks).values(values).on_conflict_do_nothing())


def dismiss(
    connection: Connection, ticket_no: str, other_no: str, *, who: str, now: datetime
) -> tuple[AnyRow | None, bool]:
    """The suggestion afterwards (None: there was none), and whether this call dismissed it; the first stays named."""
    ways = ((ticket_no, other_no), (other_no, ticket_no))
    mine = (_l.kind == "similar", or_(*(and_(_l.ticket_no == one, _l.other_no == other) for one, other in ways)))
    dismissed = update(ticket_links).where(*mine, _l.dismissed_at.is_(None))
    changed = connection.execute(dismissed.values(dismissed_at=now, dismissed_by=who)).rowcount
    return connection.execute(select(ticket_links).where(*mine)).first(), bool(changed)


def links_of(connection: Connection, ticket_no: str, by: Principal) -> list[AnyRow]:
    """With the other ticket's state; without those that were dismissed or that this reader may not see."""
    other = case((_l.ticket_no == ticket_no, _l.other_no), else_=_l.ticket_no)
    found = (
        select(_l.kind, _l.reasons, _l.created_at, *_OTHER)
        .join(tickets, _t.ticket_no == other)
        .where(or_(_l.ticket_no == ticket_no, _l.other_no == ticket_no), _l.dismissed_at.is_(None), visible_to(by))
    )
    return list(connection.execute(found.order_by(_l.id).limit(_SHOWN)))
