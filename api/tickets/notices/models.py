"""Notices: one row each, told once, until somebody says that they have seen it."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, String, Table

from api.core.models import BigId, Instant, metadata

notices = Table(
    "notices",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    # What it is about, made of its occasion: the same occasion twice is one notice.
    Column("unique_key", String(160), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("level", Integer, nullable=False),
    Column("text", String(500), nullable=False),
    Column("ticket_no", String(32), index=True),
    Column("incident_no", String(16)),
    Column("to_unit", String(64)),
    Column("restricted_to", String(64)),
    Column("created_at", Instant, nullable=False),
    Column("acknowledged_at", Instant),
    Column("acknowledged_by", String(80)),
    CheckConstraint("level between 1 and 4", name="level"),
    CheckConstraint("(acknowledged_at is null) = (acknowledged_by is null)", name="acknowledged"),
)
Index(
    "ix_notices_open",
    notices.c.id,
    sqlite_where=notices.c.acknowledged_at.is_(None),
    postgresql_where=notices.c.acknowledged_at.is_(None),
)
