"""SQL of the search index; each function runs inside its caller's transaction, so that what is stored can be found.

`api.tickets.repository` calls `index` for every ticket, change and entry of a thread; `remove` is for deletions.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    column,
    delete,
    insert,
    literal,
    or_,
    select,
    table,
    text,
    update,
)

from api.core.crypto import cipher_of
from api.tickets.models import ticket_events, tickets
from api.tickets.search.models import search_tokens
from api.tickets.search.words import Wanted, grams_of, hashed

# Columns of a ticket, and keys of its entries' data, that hold what people look for.
COLUMNS = (
    "ticket_no", "name", "branch", "branch_name", "product", "route", "owner", "narrative_raw", "summary", "customer_quote",
    "staff_described", "event_time_text", "extension_reason", "root_cause", "corrective_action",
)  # fmt: skip
_TOLD = ("text", "reason", "narrative_raw", "facts")

_t, _s = tickets.c, search_tokens.c
_fts = table("search_fts", column("rowid"))
_INSERT_FTS = text("INSERT INTO search_fts(rowid, tokens) VALUES (:id, :tokens)")
_DELETE_FTS = text("INSERT INTO search_fts(search_fts, rowid, tokens) VALUES ('delete', :id, :tokens)")
_ADD = insert(search_tokens)
_KNOWN = select(_t.id, _s.key_number, _s.tokens).outerjoin(search_tokens).where(_t.ticket_no == bindparam("number"))
_SOURCES = select(_t.id, _t.ticket_no.label("number"), *(_t[name] for name in COLUMNS))


def texts_of(values: Mapping[str, Any]) -> Iterator[str]:
    """What is to be found of a ticket's row, or of some of its columns."""
    return (str(values[name]) for name in COLUMNS if values.get(name))


def texts_told(data: Mapping[str, Any]) -> Iterator[str]:
    """The same for an entry of the thread."""
    for name in _TOLD:
        value = data.get(name)
        for one in value.values() if isinstance(value, dict) else (value,):
            if isinstance(one, str):
                yield one


def add(connection: Connection, ticket_id: int, texts: Iterable[str]) -> None:
    """For a ticket that is not in the index yet."""
    number, key = _current(connection)
    _insert(connection, ticket_id, number, hashed(key, grams_of(texts)))


def index(connection: Connection, ticket_no: str, texts: Iterable[str]) -> None:
    """From now on the ticket is found by these texts, too; by what it was found before, it still is."""
    grams = grams_of(texts)
    if not grams:
        return
    number, key = _current(connection)
    row = connection.execute(_KNOWN, {"number": ticket_no}).one()
    if row.key_number != number:
        rebuild(connection, row.id)
    elif new := hashed(key, grams) - row.tokens:
        connection.execute(update(search_tokens).where(_s.ticket_id == row.id).values(tokens=row.tokens | new))
        _tell_fts(connection, _INSERT_FTS, row.id, new)


def rebuild(connection: Connection, ticket_id: int) -> None:
    """From what the ticket and its thread hold now, under the current key; what is gone from them is not found any more."""
    connection.execute(select(_t.id).where(_t.id == ticket_id).with_for_update())
    remove(connection, ticket_id)
    row = connection.execute(_SOURCES.where(_t.id == ticket_id)).one()
    told = connection.scalars(select(ticket_events.c.data).where(ticket_events.c.ticket_no == row.number))
    texts = [*texts_of(row._asdict()), *(one for data in told for one in texts_told(data))]
    add(connection, ticket_id, texts)


def remove(connection: Connection, ticket_id: int) -> None:
    """Nothing finds the ticket by its texts any more. Hashes stay in merged-over parts of FTS5's file until it rewrites them."""
    mine = _s.ticket_id == ticket_id
    if (tokens := connection.execute(select(_s.tokens).where(mine)).scalar_one_or_none()) is not None:
        _tell_fts(connection, _DELETE_FTS, ticket_id, tokens)
        connection.execute(delete(search_tokens).where(mine))


def forget_all(connection: Connection) -> None:
    """Empties the index; `stale` then names every ticket."""
    connection.execute(delete(search_tokens))
    if connection.dialect.name == "sqlite":
        connection.execute(text("INSERT INTO search_fts(search_fts) VALUES ('delete-all')"))


def stale(connection: Connection, after: int, limit: int) -> list[int]:
    """Tickets that are not in the index (a version before this one filed them), or are there under an older key."""
    number, _ = _current(connection)
    missing = or_(_s.key_number.is_(None), _s.key_number != number)
    found = select(_t.id).outerjoin(search_tokens).where(_t.id > after, missing).order_by(_t.id).limit(limit)
    return list(connection.scalars(found))


def narrowed(connection: Connection, statement: Select[Any], wanted: Wanted, before: int | None) -> Select[Any]:
    """Only tickets that have all grams: a few too many, because pairs may stand apart and hashes may meet.

    The newest first. On SQLite the index is read from its end, which stops as soon as a page is full.
    """
    asked = [sorted(hashed(key, wanted.grams)) for key in cipher_of(connection).search_keys.values()]
    if connection.dialect.name == "postgresql":
        some = or_(*(_s.tokens.op("@>")(set(tokens)) for tokens in asked))
        return statement.join(search_tokens).where(some, *_before(_s.ticket_id, before)).order_by(_s.ticket_id.desc())
    phrase = " OR ".join("(" + " AND ".join(map(_word, tokens)) + ")" for tokens in asked)
    matches = column("search_fts", is_literal=True).op("MATCH")(literal(phrase))
    joined = statement.join(_fts, _fts.c.rowid == _t.id)
    return joined.where(matches, *_before(_fts.c.rowid, before)).order_by(_fts.c.rowid.desc())


def confirmed(connection: Connection, ids: Iterable[int], wanted: Wanted) -> set[int]:
    """Those of `ids` in whose texts the terms really stand; threads are read only where the ticket itself is not enough."""
    rows = connection.execute(_SOURCES.where(_t.id.in_(list(ids)))).all()
    texts = {row.number: list(texts_of(row._asdict())) for row in rows}
    found = {row.number for row in rows if wanted.is_in(texts[row.number])}
    open_ones = [number for number in texts if number not in found]
    entries = select(ticket_events.c.ticket_no, ticket_events.c.data).where(ticket_events.c.ticket_no.in_(open_ones))
    for entry in connection.execute(entries) if open_ones else ():
        texts[entry.ticket_no] += texts_told(entry.data)
    found |= {number for number in open_ones if wanted.is_in(texts[number])}
    return {row.id for row in rows if row.number in found}


def _insert(connection: Connection, ticket_id: int, number: int, tokens: set[int]) -> None:
    connection.execute(_ADD, {"ticket_id": ticket_id, "key_number": number, "tokens": tokens})
    _tell_fts(connection, _INSERT_FTS, ticket_id, tokens)


def _tell_fts(connection: Connection, statement: Any, ticket_id: int, tokens: set[int]) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(statement, {"id": ticket_id, "tokens": " ".join(map(_word, sorted(tokens)))})


def _word(token: int) -> str:
    return f"{token & 0xFFFFFFFF:08x}"


def _before(id_column: ColumnElement[int], before: int | None) -> list[ColumnElement[bool]]:
    return [] if before is None else [id_column < before]


def _current(connection: Connection) -> tuple[int, bytes]:
    return next(iter(cipher_of(connection).search_keys.items()))
