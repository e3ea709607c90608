"""SQL of the search index; each function runs inside its caller's transaction, so that what is stored can be found.

`api.tickets.repository` calls `index` for every ticket, change and entry of a thread; `remove` is for deletions.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    Select,
    bindparam,
    column,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    table,
    text,
    type_coerce,
    update,
)

from api.core.crypto import EncryptedText, cipher_of
from api.core.models import AnyRow
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
# A plan made once for all words would suit none; and to start helpers takes longer than a page.
_BEGIN = select(
    func.coalesce(func.max(_t.id) + 1, 0).label("end"),
    func.set_config("plan_cache_mode", "force_custom_plan", True),
    func.set_config("max_parallel_workers_per_gather", "0", True),
)
FEW = 10_000  # tickets that are rather looked up than looked for: 51 of them stand among 5,100 of a million
_SPAN = 8192  # tickets of the first span
_SLOWEST, _QUICKEST = 4, 16  # how many times as many the next one has
_SOURCES = select(_t.id, _t.ticket_no.label("number"), *(_t[name] for name in COLUMNS))
_SEALED = {name: kind for name in COLUMNS if isinstance(kind := _t[name].type, EncryptedText)}
_SEALED_SOURCES = select(
    _t.id,
    _t.ticket_no.label("number"),
    *(type_coerce(_t[name], LargeBinary).label(name) if name in _SEALED else _t[name] for name in COLUMNS),
)


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


def is_more_than(
    connection: Connection, most: int, ids: Select[tuple[int]], values: Mapping[str, int] | None = None
) -> bool:
    return connection.execute(ids.offset(most).limit(1), values).first() is not None


def candidates(
    connection: Connection,
    statement: Select[Any],
    wanted: Wanted,
    before: int | None,
    size: int,
    among: Select[tuple[int]] | None = None,
) -> Iterator[list[AnyRow]]:
    """Tickets that have all grams, the newest first: a few too many, because pairs may stand apart and hashes may meet.

    As many as `size` at a time, fewer at the end. `among` is no condition, only where those are that `statement` allows.
    """
    asked = [sorted(hashed(key, wanted.grams)) for key in cipher_of(connection).search_keys.values()]
    if connection.dialect.name == "postgresql":
        some = or_(*(_s.tokens.op("@>")(set(tokens)) for tokens in asked))
        return _by_spans(connection, statement.join(search_tokens).where(some), before, size, among)
    if among is not None and not is_more_than(connection, FEW, among):
        statement = statement.where(_t.id.in_(among))
    phrase = " OR ".join("(" + " AND ".join(map(_word, tokens)) + ")" for tokens in asked)
    matches = column("search_fts", is_literal=True).op("MATCH")(literal(phrase))
    joined = statement.join(_fts, _fts.c.rowid == _t.id).where(matches)
    # The index is read from its end, which stops as soon as a page is full.
    return newest(connection, joined, _fts.c.rowid, before, size)


def newest(
    connection: Connection, statement: Select[Any], ids: ColumnElement[int], before: int | None, size: int
) -> Iterator[list[AnyRow]]:
    """What `statement` finds, as `candidates` gives it."""
    while True:
        rest = statement if before is None else statement.where(ids < before)
        rows = list(connection.execute(rest.order_by(ids.desc()).limit(size)).all())
        yield rows
        if len(rows) < size:
            return
        before = rows[-1].id


def _by_spans(
    connection: Connection, statement: Select[Any], before: int | None, size: int, among: Select[tuple[int]] | None
) -> Iterator[list[AnyRow]]:
    """Span after span, from the newest on: how common grams are together no planner knows, and a GIN index gives all or nothing.

    So a mistaken plan costs no more than its span, and of a common word no more is read than of a rare one.
    """
    end = min(connection.execute(_BEGIN).one().end, sys.maxsize if before is None else before)
    # Each table is told, because the planner concludes nothing from one to the other.
    within = statement.where(*_within(_t.id), *_within(_s.ticket_id))
    whole = narrow = within.order_by(_t.id.desc()).limit(bindparam("missing", type_=Integer))
    span = _SPAN
    if among is not None:
        theirs = among.where(*_within(among.selected_columns[0]))
        if not is_more_than(connection, _SPAN // 10, theirs, {"start": end - span, "end": end}):
            narrow = whole.where(_t.id.in_(theirs))
    rows: list[AnyRow] = []
    seen = False
    while end > 0:
        missing, start = size - len(rows), end - span
        # Later on a word without any hit is a rare one.
        asked = narrow if seen or span <= _SPAN * _QUICKEST else whole
        found = connection.execute(asked, {"missing": missing, "start": start, "end": end}).all()
        rows += found
        seen = seen or bool(rows)
        if len(rows) == size:
            yield rows
            rows, end = [], found[-1].id
        else:
            end, span = start, span * min(max(2 * missing // (len(found) or 1), _SLOWEST), _QUICKEST)
    yield rows


def _within(column: ColumnElement[int]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return column >= bindparam("start"), column < bindparam("end")


def confirmed(connection: Connection, ids: Iterable[int], wanted: Wanted) -> set[int]:
    """Those of `ids` in whose texts the terms really stand; threads are read only where the ticket itself is not enough."""
    rows = connection.execute(_SEALED_SOURCES.where(_t.id.in_(list(ids)))).all()
    missing = {row.number: wanted.missing_in(_opened(connection, row)) for row in rows}
    told: dict[str, list[str]] = {number: [] for number in missing if missing[number]}
    entries = select(ticket_events.c.ticket_no, ticket_events.c.data).where(ticket_events.c.ticket_no.in_(told))
    for entry in connection.execute(entries) if told else ():
        told[entry.ticket_no] += texts_told(entry.data)
    without = {number for number, texts in told.items() if wanted.missing_in(texts, missing[number])}
    return {row.id for row in rows if row.number not in without}


def _opened(connection: Connection, row: Any) -> Iterator[str]:
    """As `texts_of`; what nobody asks for is not decrypted."""
    for name in COLUMNS:
        if (value := getattr(row, name)) is not None:
            sealed = _SEALED.get(name)
            yield value if sealed is None else sealed.process_result_value(value, connection.dialect)


def _insert(connection: Connection, ticket_id: int, number: int, tokens: set[int]) -> None:
    connection.execute(_ADD, {"ticket_id": ticket_id, "key_number": number, "tokens": tokens})
    _tell_fts(connection, _INSERT_FTS, ticket_id, tokens)


def _tell_fts(connection: Connection, statement: Any, ticket_id: int, tokens: set[int]) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(statement, {"id": ticket_id, "tokens": " ".join(map(_word, sorted(tokens)))})


def _word(token: int) -> str:
    return f"{token & 0xFFFFFFFF:08x}"


def _current(connection: Connection) -> tuple[int, bytes]:
    return next(iter(cipher_of(connection).search_keys.items()))
