"""Webhooks and their deliveries: one row for each event that a webhook is to receive."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from api.core.crypto import EncryptedText
from api.core.models import BigId, Instant, metadata

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    # Encrypted: many receivers put a key into the path.
    Column("url", EncryptedText("webhooks.url"), nullable=False),
    Column("types", JSON, nullable=False),
    Column("unit", String(64)),
    Column("sealed_units", JSON, nullable=False),
    Column("personal", String(8), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("inactive_reason", String(255)),
    Column("secret", EncryptedText("webhooks.secret"), nullable=False),
    Column("old_secret", EncryptedText("webhooks.old_secret")),
    Column("old_secret_until", Instant),
    # Failures in a row that look like an outage, and until when the whole queue waits because of them.
    Column("failures", Integer, nullable=False),
    Column("resume_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("deleted_at", Instant),
    CheckConstraint("personal in ('none', 'masked', 'full')", name="personal"),
)

deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("webhook_id", ForeignKey("webhooks.id"), nullable=False),
    Column("event_id", String(96), nullable=False),
    Column("ticket_no", String(32), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("happened_at", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("lease_by", String(32)),
    Column("lease_until", Instant),
    Column("last_status", Integer),
    Column("last_error", String(32)),
    Column("tried_at", Instant),
    Column("delivered_at", Instant),
    # withheld: the ticket was sealed or its use restricted meanwhile, or the webhook was deleted
    CheckConstraint("state in ('pending', 'delivered', 'dead', 'withheld')", name="state"),
    UniqueConstraint("webhook_id", "event_id"),
)
_d = deliveries.c
for _name, _columns in (
    ("ix_webhook_deliveries_due", (_d.webhook_id, _d.next_at)),
    ("ix_webhook_deliveries_order", (_d.webhook_id, _d.ticket_no, _d.position)),
):
    Index(_name, *_columns, sqlite_where=_d.state == "pending", postgresql_where=_d.state == "pending")
Index("ix_webhook_deliveries_state", _d.webhook_id, _d.state, _d.id)
Index("ix_webhook_deliveries_ticket_no", _d.ticket_no)
