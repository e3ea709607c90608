"""The branch directory."""

from sqlalchemy import JSON, Column, String, Table

from api.core.models import Instant, metadata

branches = Table(
    "branches",
    metadata,
    Column("code", String(32), primary_key=True),
    Column("facts", JSON, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("updated_by", String(80), nullable=False),
)
