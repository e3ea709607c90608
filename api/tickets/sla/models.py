"""Policies, which never change once they are stored, and what was told of a ticket's clocks, once each."""

from sqlalchemy import JSON, CheckConstraint, Column, ForeignKey, Integer, String, Table, UniqueConstraint

from api.core.models import BigId, Instant, metadata

# A snapshot of sla.yml and of the calendar's version; a changed file is a new row. Triggers (migration) refuse every change.
sla_policies = Table(
    "sla_policies",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("content_hash", String(64), nullable=False, unique=True),
    Column("content", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
)

sla_events = Table(
    "sla_events",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("ticket_no", ForeignKey("tickets.ticket_no"), nullable=False),
    Column("clock", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("run", Integer, nullable=False),
    # When it came due, and when it was told; after downtime these are far apart.
    Column("at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("kind in ('warn50', 'warn80', 'overdue', 'level2', 'level3')", name="kind"),
    UniqueConstraint("ticket_no", "clock", "run", "kind"),
)
