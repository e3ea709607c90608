"""Conversations, their messages and alerts. A conversation row is also its own queue: see `repository.py`."""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from api.core.crypto import EncryptedBytes, EncryptedJson, EncryptedText
from api.core.models import BigId, Instant, metadata

conversations = Table(
    "conversations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("channel", String(16), nullable=False),
    Column("owner", String(16), nullable=False),
    Column("handover_reason", String(32)),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False, index=True),
    Column("consent_at", Instant, nullable=False),
    Column("metadata", EncryptedJson("conversations.metadata")),
    # The queue: customer messages up to `customer_seq` wait, those up to `processed_seq` are answered.
    Column("last_seq", Integer, nullable=False),
    Column("customer_seq", Integer, nullable=False),
    Column("processed_seq", Integer, nullable=False),
    # The claim: whoever holds the highest `fence` works on messages up to `turn_upto` until `claim_until` (real time).
    Column("fence", Integer, nullable=False),
    Column("claim_until", Float),
    Column("turn_upto", Integer),
    Column("attempts", Integer, nullable=False),
    Column("retry_at", Float, nullable=False),
    Column("noticed", Boolean, nullable=False),
    # What the bot is given and gives back. `vault` holds the values behind placeholders.
    Column("state", EncryptedBytes("conversations.state")),
    Column("vault", EncryptedJson("conversations.vault")),
    Column("open_choices", EncryptedJson("conversations.open_choices")),
    Column("draft", EncryptedJson("conversations.draft")),
    Column("understanding", EncryptedJson("conversations.understanding")),
    Column("cause_l1", String(8)),
    Column("level", Integer, nullable=False),
    Column("level_peak", Integer, nullable=False),
    Column("ticket_no", String(32), index=True),
    CheckConstraint("owner in ('bot', 'queued', 'human', 'human_wrapup', 'closed')", name="owner"),
    CheckConstraint("processed_seq <= customer_seq AND customer_seq <= last_seq", name="order"),
)

Index(
    "ix_conversations_waiting",
    conversations.c.retry_at,
    sqlite_where=conversations.c.processed_seq < conversations.c.customer_seq,
    postgresql_where=conversations.c.processed_seq < conversations.c.customer_seq,
)

messages = Table(
    "messages",
    metadata,
    Column("conversation_id", ForeignKey("conversations.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("role", String(16), nullable=False),
    Column("client_id", String(128)),
    Column("text", EncryptedText("messages.text"), nullable=False),
    Column("choice", String(255)),
    Column("choices", JSON),
    Column("card", EncryptedJson("messages.card")),
    Column("asks", String(32)),
    # Files that the message carries, as its sender sees them; such a message is no turn of the bot's.
    Column("attachments", EncryptedJson("messages.attachments")),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("conversation_id", "client_id"),
    CheckConstraint("role in ('customer', 'bot', 'agent', 'system')", name="role"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False, index=True),
    Column("reason", String(32), nullable=False),
    Column("level", Integer, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("acknowledged_at", Instant),
    Column("acknowledged_by", String(64)),
)
