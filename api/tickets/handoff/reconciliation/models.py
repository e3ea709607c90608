"""Reports of reconciliations, kept as they were made."""

from sqlalchemy import JSON, Column, Integer, Table

from api.core.models import BigId, Instant, metadata

reconciliations = Table(
    "reconciliations",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("created_at", Instant, nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("missing", Integer, nullable=False),
    Column("healed", Integer, nullable=False),
    # Counts, ticket numbers and event ids; nothing personal.
    Column("report", JSON, nullable=False),
)
