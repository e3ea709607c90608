"""Every encrypted column of every table from older keys to the current one, in small transactions; and what is made of them.

What is still to do is told by the rows themselves (each blob and each blind index names its key), so a rotation that was
killed goes on where it stopped, and two at once do no harm: a row is only replaced while it still is what was read.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Update,
    bindparam,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.exc import IntegrityError

from api.core.crypto import Cipher, EncryptedBytes, WrongKeyError
from api.core.db import Database
from api.core.logging import get_logger
from api.core.models import AnyRow, encryption_keys

logger = get_logger("rotation")

BATCH = 200  # rows per transaction: some milliseconds, between which everybody else gets their turn
_PROOF = b"encryption_keys.proof"
_PROVED = b"tingsu"


@dataclass(frozen=True, slots=True)
class Place:
    """The encrypted columns of one table, and its blind indexes by the column that they stand for."""

    table: Table
    encrypted: tuple[Column[Any], ...]
    indexes: Mapping[str, Column[Any]]

    @property
    def key(self) -> tuple[Column[Any], ...]:
        return tuple(self.table.primary_key.columns)

    def stale(self, current: int) -> ColumnElement[bool]:
        """Some blob or index of the row is of another key than `current`."""
        blobs = [_number_of(column) != bytes((current,)) for column in self.encrypted]
        return or_(*blobs, *(_of_another_key(column, current) for column in self.indexes.values()))


Report = Callable[[str, int], None]  # table, rows replaced so far
# Makes anew what is derived from encrypted columns and cannot be replaced row by row (hashes that searches go by).
Rebuild = Callable[[Database], Awaitable[object]]


def places(metadata: MetaData) -> Iterator[Place]:
    for table in metadata.sorted_tables:
        encrypted = tuple(column for column in table.columns if isinstance(column.type, EncryptedBytes))
        indexes = {of: column for column in table.columns if (of := column.info.get("blind_index_of"))}
        if encrypted:
            yield Place(table, encrypted, indexes)


def check_keys(connection: Connection, cipher: Cipher, metadata: MetaData, now: datetime) -> None:
    """At start: as `prove_keys`; and a key that is new here is registered."""
    for number in prove_keys(connection, cipher, metadata):
        proof = cipher.encrypt_with(number, _PROVED, _PROOF)
        with suppress(IntegrityError), connection.begin_nested():  # somebody else may register it in the same moment
            connection.execute(insert(encryption_keys), {"id": number, "proof": proof, "created_at": now})


def prove_keys(connection: Connection, cipher: Cipher, metadata: MetaData) -> list[int]:
    """Raises WrongKeyError when a key is not the one of its number, or one that is still needed is missing; writes nothing.

    Returns the numbers that are not registered here.
    """
    known = registered_keys(connection, cipher)
    new = [number for number in cipher.ring.keys if number not in known]
    for number in new:
        _try_one(connection, cipher, metadata, number)
    return new


def registered_keys(connection: Connection, cipher: Cipher) -> set[int]:
    """Raises WrongKeyError as above, as far as keys are registered."""
    known = {row.id: row for row in connection.execute(select(encryption_keys))}
    for number in known.keys() & cipher.ring.keys.keys():
        cipher.decrypt(bytes(known[number].proof), _PROOF)
    missing = [row.id for row in known.values() if row.retired_at is None and row.id not in cipher.ring.keys]
    if missing:
        raise WrongKeyError(f"（缺少编号 {'、'.join(map(str, missing))} 的密钥，还有数据要用它）")
    return set(known)


def _try_one(connection: Connection, cipher: Cipher, metadata: MetaData, number: int) -> None:
    """For databases older than the table of keys: what is there must open. The first blob of this key is enough."""
    columns, first = _first_blob(metadata)
    for found in connection.execute(first, {"number": bytes((number,))}):
        cipher.decrypt(bytes(found.blob), _place(columns[found.at]))


@cache
def _first_blob(metadata: MetaData) -> tuple[list[Column[Any]], Select[Any]]:
    """All encrypted columns, and what finds the first blob of key `number` in them, whichever has one."""
    columns = [column for place in places(metadata) for column in place.encrypted]
    number = bindparam("number", type_=LargeBinary)
    blobs = (
        select(literal_column(str(at), Integer).label("at"), _raw(column).label("blob")).where(
            _number_of(column) == number
        )
        for at, column in enumerate(columns)
    )
    return columns, select(union_all(*blobs).subquery()).limit(1)


def left(connection: Connection, metadata: MetaData, current: int) -> dict[str, int]:
    """How many rows of each table still need an older key; tables without any are left out."""
    found = {}
    for place in places(metadata):
        counting = select(func.count()).select_from(place.table).where(place.stale(current))
        if count := connection.execute(counting).scalar_one():
            found[place.table.name] = int(count)
    return found | _derived(connection, metadata, current)


def _derived(connection: Connection, metadata: MetaData, current: int) -> dict[str, int]:
    """Rows whose hashes are of another key: a column marked `key_number` says of which."""
    found = {}
    for column in (c for table in metadata.sorted_tables for c in table.c if c.info.get("key_number")):
        counting = select(func.count()).select_from(column.table).where(column != current)
        if count := connection.execute(counting).scalar_one():
            found[column.table.name] = int(count)
    return found


def rotate_batch(
    connection: Connection, cipher: Cipher, place: Place, after: tuple[Any, ...] | None, size: int = BATCH
) -> tuple[int, tuple[Any, ...] | None]:
    """How many rows it looked at, and the key of the last of them; None when the table has no more."""
    ring = cipher.ring
    blobs = (_raw(column) for column in place.encrypted)
    wanted = select(*place.key, *blobs, *place.indexes.values()).where(place.stale(ring.current))
    if after is not None:
        wanted = wanted.where(tuple_(*place.key) > tuple_(*(literal(value) for value in after)))
    rows = list(connection.execute(wanted.order_by(*place.key).limit(size)))
    if rows:
        fresh = [_replaced(cipher, place, row) for row in rows]
        connection.execute(_replacement(place), fresh)
    return len(rows), tuple(rows[-1][: len(place.key)]) if len(rows) == size else None


def _replaced(cipher: Cipher, place: Place, row: AnyRow) -> dict[str, Any]:
    """Parameters of `_replacement`: key, what was read, what to write. Nothing stays nothing."""
    keys, blobs = len(place.key), len(place.encrypted)
    values: dict[str, Any] = {f"key_{c.name}": value for c, value in zip(place.key, row[:keys], strict=True)}
    plain: dict[str, bytes] = {}
    for column, blob in zip(place.encrypted, row[keys : keys + blobs], strict=True):
        values[f"old_{column.name}"] = values[f"new_{column.name}"] = None
        if blob is not None:
            plain[column.name] = cipher.decrypt(bytes(blob), _place(column))
            values[f"old_{column.name}"] = bytes(blob)
            values[f"new_{column.name}"] = cipher.encrypt(plain[column.name], _place(column))
    for (of, column), index in zip(place.indexes.items(), row[keys + blobs :], strict=True):
        there = index is not None and of in plain
        values[f"new_{column.name}"] = cipher.blind_index(plain[of].decode()) if there else index
    return values


def _replacement(place: Place) -> Update:
    """Only rows that still are what was read: what somebody changed meanwhile is current, or is found the next time."""
    same = [column == bindparam(f"key_{column.name}") for column in place.key]
    same += [_raw(c).is_not_distinct_from(bindparam(f"old_{c.name}", type_=LargeBinary)) for c in place.encrypted]
    values: dict[str, Any] = {c.name: bindparam(f"new_{c.name}", type_=LargeBinary) for c in place.encrypted}
    values |= {column.name: bindparam(f"new_{column.name}") for column in place.indexes.values()}
    return update(place.table).where(*same).values(values)


def retire(connection: Connection, numbers: tuple[int, ...], now: datetime) -> None:
    """Nothing is left of these keys; from now on a start without them is no mistake."""
    still = encryption_keys.c.retired_at.is_(None)
    connection.execute(update(encryption_keys).where(encryption_keys.c.id.in_(numbers), still).values(retired_at=now))


def _raw(column: Column[Any]) -> ColumnElement[Any]:
    return type_coerce(column, LargeBinary)


def _place(column: Column[Any]) -> bytes:
    assert isinstance(column.type, EncryptedBytes)  # noqa: S101 - what `places` selects by
    return column.type.place.encode()


def _number_of(column: Column[Any]) -> ColumnElement[Any]:
    return type_coerce(func.substr(_raw(column), 1, 1), LargeBinary)


def _of_another_key(index: Column[Any], current: int) -> ColumnElement[bool]:
    """The first key's indexes have no number in front (api/core/crypto.py)."""
    return index.like("%.%") if current == 1 else index.not_like(f"{current:02x}.%")


async def rotate(
    db: Database,
    cipher: Cipher,
    metadata: MetaData,
    now: Callable[[], datetime],
    rebuild: Rebuild,
    report: Report = lambda *_: None,
) -> dict[str, int]:
    """Replaces until nothing is left, then retires the older keys. Returns how many rows of each table it replaced."""
    await db.write(lambda connection: check_keys(connection, cipher, metadata, now()))
    done: dict[str, int] = {}
    while remaining := await db.read(lambda connection: left(connection, metadata, cipher.ring.current)):
        for place in places(metadata):
            if place.table.name in remaining:
                count = await _rotate_table(db, cipher, place, report)
                done[place.table.name] = done.get(place.table.name, 0) + count
        if derived := await db.read(lambda connection: _derived(connection, metadata, cipher.ring.current)):
            await rebuild(db)
            done |= {name: done.get(name, 0) + count for name, count in derived.items()}
    await db.write(lambda connection: retire(connection, cipher.ring.old, now()))
    return done


async def rotate_if_needed(
    db: Database, cipher: Cipher, metadata: MetaData, now: Callable[[], datetime], rebuild: Rebuild
) -> None:
    """For a server, from time to time: finishes what a new key began. Costs one small query while there is nothing."""
    old = cipher.ring.old
    if not old:
        return
    retired = select(encryption_keys.c.id).where(encryption_keys.c.retired_at.is_not(None))
    if set(old) - await db.read(lambda connection: set(connection.execute(retired).scalars())):
        rows = await rotate(db, cipher, metadata, now, rebuild)
        logger.info("keys_rotated", current=cipher.ring.current, rows=rows)


async def _rotate_table(db: Database, cipher: Cipher, place: Place, report: Report) -> int:
    total, after = 0, None
    while True:
        count, after = await db.write(partial(rotate_batch, cipher=cipher, place=place, after=after))
        total += count
        report(place.table.name, total)
        if after is None:
            return total
