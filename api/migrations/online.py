"""For migrations of tables that may be big: on PostgreSQL everybody goes on reading and writing meanwhile.

Such a migration holds nothing else: it runs outside of a transaction, and broken off it is simply run again. Columns are added
in others, empty or with a constant default, which rewrites nothing; NOT NULL and CHECK go in with NOT VALID and are validated afterwards.
"""

from typing import Any

from alembic import op
from sqlalchemy import text

_BATCH = 2000  # rows whose locks are held together: some tens of milliseconds


def create_index(name: str, table: str, columns: list[str], **options: Any) -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f'DROP INDEX IF EXISTS "{name}"')
        op.create_index(name, table, columns, **options)
        return
    with op.get_context().autocommit_block():
        # It waits for transactions that are under way, and blocks nobody meanwhile.
        op.execute("SET lock_timeout = 0")
        # What an earlier try has left is not valid; one that is whole is built once more, which costs time only.
        op.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')
        op.create_index(name, table, columns, postgresql_concurrently=True, **options)
        op.execute("SET lock_timeout = '1s'")


def in_batches(table: str, statement: str) -> None:
    """`statement` is SQL of ours with `{mine}` for some of the table's rows; done twice for a row, it changes nothing more."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(statement.format(mine="true"))
        return
    with op.get_context().autocommit_block():
        last = op.get_bind().execute(text(f"SELECT coalesce(max(id), 0) FROM {table}")).scalar_one()  # noqa: S608
        for start in range(0, last, _BATCH):
            op.execute(statement.format(mine=f"{table}.id > {start} AND {table}.id <= {start + _BATCH}"))


def drop_index(name: str, table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f'DROP INDEX IF EXISTS "{name}"')
        return
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')
        op.execute("SET lock_timeout = '1s'")
