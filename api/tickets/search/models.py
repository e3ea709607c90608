"""What tickets are found by: keyed hashes only (docs/decisions/0011-search-in-hashes.md).

Beside this table PostgreSQL has a GIN index on `tokens`, and SQLite the table `search_fts` (FTS5 without content: it keeps
for each hash the tickets that have it). FTS5 forgets a row only when it is told the row's words again, hence `tokens` there.
"""

from array import array
from typing import Any

from sqlalchemy import Column, Dialect, ForeignKey, Integer, LargeBinary, SmallInteger, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine

from api.core.models import metadata


class Tokens(TypeDecorator[set[int]]):
    """A set of 32-bit numbers: an array on PostgreSQL, packed on SQLite."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(postgresql.ARRAY(Integer()) if dialect.name == "postgresql" else LargeBinary())

    def process_bind_param(self, value: set[int] | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        numbers = sorted(value)
        return numbers if dialect.name == "postgresql" else array("i", numbers).tobytes()

    def process_result_value(self, value: Any, dialect: Dialect) -> set[int] | None:
        if value is None:
            return None
        return set(value if dialect.name == "postgresql" else array("i", value))


search_tokens = Table(
    "search_tokens",
    metadata,
    Column("ticket_id", ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    # The number of the master key that the hashes come from.
    Column("key_number", SmallInteger, nullable=False, info={"key_number": True}),
    Column("tokens", Tokens, nullable=False),
)
