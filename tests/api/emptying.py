"""A PostgreSQL database as it was before a test, for the next one: making one anew takes fifty times as long.

Only the rows are put back. Whatever else a test has changed (a table, an index, a trigger, a schema, a setting) shows in the
catalogue, and its database is not used again; neither is one that somebody still is connected to.
"""

import functools
import time
from dataclasses import dataclass

import psycopg
from psycopg import Connection, sql

_PATIENCE = 1.0  # seconds; a connection that was closed here takes the server a moment
# Every definition has a row in one of these, and a row that was changed has another `xmin`. A copy has its template's.
_CATALOGUES = (
    "pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_trigger", "pg_proc", "pg_type",
    "pg_namespace", "pg_rewrite", "pg_extension", "pg_policy", "pg_event_trigger", "pg_default_acl",
)  # fmt: skip
_ROW = "SELECT '{0}' || c.tableoid || c.ctid || c.xmin AS row FROM {0} c"
_SHAPE = " UNION ALL ".join(_ROW.format(name) for name in _CATALOGUES)
_SETTINGS = "SELECT s::text FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database()"


@dataclass(frozen=True, slots=True)
class _Made:
    """What a migrated database is: its definitions, its tables, and the rows that the migrations themselves have written."""

    shape: str
    tables: tuple[str, ...]
    rows: dict[str, list[str]]


def emptied(database: str, like: str) -> bool:
    """Whether `database` is as `like` again."""
    made = _made(like)
    with psycopg.connect(database, autocommit=True) as connection:
        if not _alone(connection) or _shape(connection) != made.shape:
            return False
        _put_back(connection, made)
    return True


@functools.cache
def _made(database: str) -> _Made:
    with psycopg.connect(database, autocommit=True) as connection:
        tables = tuple(
            name
            for (name,) in connection.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
        )
        rows = {
            table: [row for (row,) in connection.execute(_of(table, "SELECT t::text FROM {} t"))] for table in tables
        }
        return _Made(_shape(connection), tables, {table: found for table, found in rows.items() if found})


def _shape(connection: Connection) -> str:
    found = connection.execute(f"SELECT md5(string_agg(row, ' ' ORDER BY row)) FROM ({_SHAPE}) s").fetchall()  # noqa: S608
    return f"{found} {connection.execute(_SETTINGS).fetchall()}"


def _alone(connection: Connection) -> bool:
    others = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    until = time.monotonic() + _PATIENCE
    while connection.execute(f"{others} AND backend_type = 'client backend'").fetchone() is not None:
        if time.monotonic() > until:
            return False
        time.sleep(0.002)
    return True


def _put_back(connection: Connection, made: _Made) -> None:
    filled = sql.SQL(", ").join(
        _of(table, "(SELECT {name} WHERE EXISTS (SELECT 1 FROM {}))", name=sql.Literal(table)) for table in made.tables
    )
    found = connection.execute(sql.SQL("SELECT {}").format(filled)).fetchone() or ()
    touched = [table for table in found if table is not None]
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")  # the guards of what is for ever, too
        for table in touched:
            connection.execute(_of(table, "DELETE FROM {}"))
        for table, rows in made.rows.items():
            connection.execute(_of(table, "INSERT INTO {0} SELECT (unnest(%s::text[])::{0}).*"), [rows])
        connection.execute("SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence")
    # Else the new rows would lie between the dead ones, in no order that a new database has.
    connection.execute(sql.SQL("VACUUM {}").format(sql.SQL(", ").join(map(sql.Identifier, touched))))


def _of(table: str, statement: str, **more: sql.Composable) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(table), **more)
