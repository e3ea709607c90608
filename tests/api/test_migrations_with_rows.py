"""Every migration goes up and down with rows in every table, on both databases: nothing is lost, and no guard falls off."""

from typing import Any

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    LargeBinary,
    MetaData,
    String,
    func,
    inspect,
    text,
)

from api.migrations.run import script_location
from tests.api.test_migrations import engine, migrated  # noqa: F401 - a fixture

REVISIONS = sorted(script.revision for script in ScriptDirectory(str(script_location())).walk_revisions())

# What the checks ask for; `name` of a column stands for the column in any table.
_WORDS = {
    "audience": "staff", "owner": "bot", "personal": "none", "role": "bot", "scan": "clean", "score": 1, "level": 1,
    "level_peak": 1, "conversation_id": "x", "promises.kind": "callback", "ticket_links.kind": "split",
    "sla_events.kind": "overdue", "tickets.state": "new", "webhook_deliveries.state": "pending",
}  # fmt: skip
_BY_TYPE: tuple[tuple[type[Any], Any], ...] = (
    (JSON, []),
    (ARRAY, [1]),
    (Boolean, False),
    (DateTime, func.current_timestamp()),
    (LargeBinary, b"x"),
    (String, "x"),
)


def value(column: Column[Any]) -> Any:
    words = (_WORDS.get(f"{column.table.name}.{column.name}"), _WORDS.get(column.name))
    by_type = (made for kind, made in _BY_TYPE if isinstance(column.type, kind))
    return next((word for word in (*words, *by_type) if word is not None), 1)


def names(connection: Connection) -> list[str]:
    found = inspect(connection).get_table_names()
    return [name for name in found if not name.startswith(("alembic_", "search_fts"))]


def empty(connection: Connection) -> list[str]:
    rows = {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in names(connection)}  # noqa: S608
    return [name for name, count in rows.items() if not count]


def fill(connection: Connection) -> None:
    """A row for each table that has none, those that are referred to first."""
    found = MetaData()
    lacking = empty(connection)
    found.reflect(connection, only=lacking)
    for table in found.sorted_tables:
        if table.name in lacking:
            needed = [c for c in table.columns if not c.nullable or c.name == "conversation_id"]
            connection.execute(table.insert().values({column.name: value(column) for column in needed}))


def guards(connection: Connection) -> set[tuple[str, str]]:
    """Triggers with their tables; on PostgreSQL without those that hold its foreign keys."""
    sqlite = "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'"
    postgresql = "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal"
    statement = sqlite if connection.dialect.name == "sqlite" else postgresql
    return {(row[0], row[1]) for row in connection.execute(text(statement))}


def test_no_row_and_no_guard_is_lost_on_the_way_up_and_down(engine: Engine) -> None:  # noqa: F811
    seen: dict[str, set[tuple[str, str]]] = {}
    before: set[tuple[str, str]] = set()
    for revision in REVISIONS:
        migrated(engine, revision)
        with engine.begin() as connection:
            assert before <= guards(connection), revision
            fill(connection)
            assert empty(connection) == []
            before = seen[revision] = guards(connection)
    for revision in reversed(REVISIONS[:-1]):
        migrated(engine, revision, command.downgrade)
        with engine.begin() as connection:
            assert empty(connection) == [], revision
            assert guards(connection) == seen[revision]
    migrated(engine, "head")
    with engine.begin() as connection:
        assert not {"staff", "staff_sessions", "tickets", "ticket_events"} & set(empty(connection))
