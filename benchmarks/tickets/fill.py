"""Made tickets into a database, fast: one transaction per batch, indexes afterwards. Only ever into an empty one."""

import sqlite3
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine, func, insert, select, text
from sqlalchemy.pool import NullPool

from api.commands.dumps import sqlite_file
from api.core.clock import BEIJING
from api.core.crypto import Cipher, install_cipher
from api.core.models import counters
from api.core.settings import Settings
from api.migrations.run import migrate
from api.tickets.models import ticket_events, tickets
from benchmarks.tickets.made import EVENT_COLUMNS, Made, Maker
from contract.playbook_loader import load_playbook

_BATCH = 5000
_GIN = (
    "CREATE INDEX ix_search_tokens_tokens ON search_tokens USING gin (tokens) WITH (gin_pending_list_limit = 512)",
    "DROP INDEX ix_search_tokens_tokens",
)
Write = Callable[[list[Made]], None]


def fill(settings: Settings, count: int) -> datetime:
    """Returns the moment that the tickets lead up to."""
    cipher = Cipher(settings.key_ring)
    engine = create_engine(settings.sql_url, poolclass=NullPool)
    install_cipher(engine, cipher)
    migrate(engine)
    now = datetime.now(UTC).astimezone(BEIJING) - timedelta(minutes=1)
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(tickets)).scalar_one() == 0, "只能往空库里造数据"
    maker = Maker(cipher, engine.dialect, load_playbook(settings.playbook), count, now)
    _without_indexes(engine)
    began = time.monotonic()
    write = _into_sqlite if engine.dialect.name == "sqlite" else _into_postgres
    write(settings, maker, _told(_batches(maker.all()), count, began))
    with engine.begin() as connection:
        connection.execute(insert(counters), {"name": f"ticket:{now:%Y%m%d}", "value": count})
    print("  索引", flush=True)
    _with_indexes(engine)
    print(f"  造好 {count:,} 张工单，{time.monotonic() - began:.0f} 秒", flush=True)
    return now


def _batches(made: Iterator[Made]) -> Iterator[list[Made]]:
    while batch := list(islice(made, _BATCH)):
        yield batch


def _told(batches: Iterable[list[Made]], count: int, began: float) -> Iterator[list[Made]]:
    done = 0
    for batch in batches:
        yield batch
        done += len(batch)
        if done % 50_000 == 0:
            print(f"  {done:,} / {count:,}，{time.monotonic() - began:.0f} 秒", flush=True)


def _interleaved(batch: list[Made]) -> list[tuple[Any, ...]]:
    """Entries of many tickets as the days bring them, not ticket by ticket: nothing lies together that would not."""
    return sorted((event for made in batch for event in made.events), key=lambda event: event[-1])


def _into_sqlite(settings: Settings, maker: Maker, batches: Iterable[list[Made]]) -> None:
    with closing(sqlite3.connect(sqlite_file(settings), isolation_level=None)) as raw:
        raw.executescript("PRAGMA synchronous=OFF; PRAGMA cache_size=-500000; PRAGMA temp_store=MEMORY")
        put = {
            name: f"INSERT INTO {name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
            for name, names in _columns(maker).items()
        }
        for batch in batches:
            raw.execute("BEGIN")
            raw.executemany(put["tickets"], [made.ticket for made in batch])
            raw.executemany(put["ticket_events"], _interleaved(batch))
            raw.executemany(put["search_tokens"], [made.tokens for made in batch])
            words = [(made.tokens[0], _words(made.hashes)) for made in batch]
            raw.executemany("INSERT INTO search_fts(rowid, tokens) VALUES (?, ?)", words)
            raw.execute("COMMIT")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _words(hashes: set[int]) -> str:
    return array("i", hashes).tobytes().hex(" ", -4) if sys.byteorder == "big" else _swapped(hashes).hex(" ", -4)


def _swapped(hashes: set[int]) -> bytes:
    made = array("i", hashes)
    made.byteswap()
    return made.tobytes()


def _into_postgres(settings: Settings, maker: Maker, batches: Iterable[list[Made]]) -> None:
    with psycopg.connect((settings.database_url or "").replace("+psycopg", "")) as raw:
        raw.execute("SET synchronous_commit = off")
        for batch in batches:
            rows: dict[str, list[Any]] = {
                "tickets": [made.ticket for made in batch],
                "ticket_events": _interleaved(batch),
                "search_tokens": [made.tokens for made in batch],
            }
            for name, names in _columns(maker).items():
                quoted = ", ".join(map('"{}"'.format, names))
                command = f"COPY {name} ({quoted}) FROM STDIN"
                with raw.cursor() as cursor, cursor.copy(command.encode()) as copy:
                    for row in rows[name]:
                        copy.write_row(row)
            raw.commit()
        for name in ("tickets", "ticket_events"):
            upto = f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))"  # noqa: S608
            raw.execute(upto.encode())
        raw.commit()


def _columns(maker: Maker) -> dict[str, list[str]]:
    """In the order in which they depend on each other; the entries' ids are the database's own."""
    return {
        "tickets": maker.tickets.names,
        "ticket_events": list(EVENT_COLUMNS),
        "search_tokens": maker.tokens.names,
    }


def _without_indexes(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in (tickets, ticket_events):
            for index in table.indexes:
                index.drop(connection)
        if engine.dialect.name == "postgresql":
            connection.execute(text(_GIN[1]))


def _with_indexes(engine: Engine) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET maintenance_work_mem = '1GB'"))
            connection.execute(text(_GIN[0]))
        for table in (tickets, ticket_events):
            for index in table.indexes:
                index.create(connection)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)" if engine.dialect.name == "postgresql" else "ANALYZE"))
