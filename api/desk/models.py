"""The branch directory, and the incidents that touch many customers at once."""

from sqlalchemy import JSON, CheckConstraint, Column, String, Table

from api.core.models import Instant, metadata

branches = Table(
    "branches",
    metadata,
    Column("code", String(32), primary_key=True),
    Column("facts", JSON, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("updated_by", String(80), nullable=False),
)

# The times stand apart from the other facts because they are asked for.
incidents = Table(
    "incidents",
    metadata,
    Column("incident_no", String(16), primary_key=True),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant),
    Column("facts", JSON, nullable=False),
    # Of a draft nothing is told to customers; a supervisor confirms or dismisses it.
    Column("status", String(12), nullable=False, server_default="confirmed"),
    # What a draft was opened for (clusters.rules.Cluster.key).
    Column("cluster", String(160), index=True),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("updated_by", String(80), nullable=False),
    CheckConstraint("status in ('draft', 'confirmed', 'dismissed')", name="status"),
)
