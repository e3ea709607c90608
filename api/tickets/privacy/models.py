"""Consents. The marks of a ticket's retention are columns of `tickets`."""

from sqlalchemy import JSON, CheckConstraint, Column, String, Table

from api.core.crypto import EncryptedText
from api.core.models import BigId, Instant, metadata

# What was agreed to, when, through which channel; `text_hash` proves which words of that version were shown.
consents = Table(
    "consents",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("conversation_id", String(64), index=True),
    Column("ticket_no", String(32), index=True),
    Column("channel", String(16), nullable=False),
    Column("version", String(32), nullable=False),
    Column("text_hash", String(64), nullable=False),
    Column("purposes", JSON, nullable=False),
    Column("given_at", Instant, nullable=False),
    Column("withdrawn_at", Instant),
    Column("withdrawn_by", String(80)),
    Column("withdrawal_reason", EncryptedText("consents.withdrawal_reason")),
    CheckConstraint("conversation_id is not null or ticket_no is not null", name="of_something"),
    CheckConstraint("(withdrawn_at is null) = (withdrawn_by is null)", name="withdrawn"),
)
