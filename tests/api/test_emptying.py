"""A PostgreSQL database that goes from test to test is as a new one, or does not go on."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.api import emptying
from tests.api.conftest import Bridge
from tests.api.stores import Store

pytestmark = pytest.mark.only_on("postgresql", reason="SQLite's file is copied")


@pytest.fixture
def template(store: Store) -> str:
    return f"{store.server}/migrated"


@pytest.fixture
def connection(store: Store) -> Iterator[psycopg.Connection]:
    with psycopg.connect(store.database_url or "", autocommit=True) as opened:
        yield opened


def contents(database: str) -> dict[str, list[str]]:
    """Every row and every counter."""
    with psycopg.connect(database) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        found = {
            name: [row for (row,) in connection.execute(f'SELECT t::text FROM "{name}" t')]  # type: ignore[arg-type]  # noqa: S608
            for (name,) in names
        }
        given = connection.execute("SELECT s::text FROM pg_sequences s ORDER BY 1").fetchall()
    return found | {"sequences": [row for (row,) in given]}


async def test_nothing_is_left_of_what_a_test_has_written(bridge: Bridge, store: Store, template: str) -> None:
    await bridge.file()
    await bridge.talk()
    await bridge.stop()
    database = store.database_url or ""
    assert contents(database) != contents(template)
    assert emptying.emptied(database, template)
    assert contents(database) == contents(template)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE tickets ADD COLUMN more integer",
        "ALTER TABLE tickets DISABLE TRIGGER ALL",
        "ALTER TABLE tickets ALTER COLUMN level SET DEFAULT 4",
        "CREATE INDEX one_more ON tickets (level)",
        "DROP TABLE jobs",
        "CREATE TABLE one_more (id integer)",
        "CREATE SCHEMA one_more",
        "ALTER SCHEMA public RENAME TO aside",
        "CREATE FUNCTION one_more() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 64', current_database()); END $$",
    ],
)
def test_what_was_changed_otherwise_is_not_used_again(
    store: Store, template: str, connection: psycopg.Connection, change: str
) -> None:
    connection.execute(change.encode())
    connection.close()
    assert not emptying.emptied(store.database_url or "", template)


def test_nor_is_what_somebody_still_has_open(
    store: Store, template: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptying, "_PATIENCE", 0.05)
    assert not emptying.emptied(store.database_url or "", template)
    connection.close()
    assert emptying.emptied(store.database_url or "", template)
