"""What customers say about the conversation itself."""

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Integer, Table

from api.core.crypto import EncryptedText
from api.core.models import Instant, metadata

satisfaction = Table(
    "satisfaction",
    metadata,
    Column("conversation_id", ForeignKey("conversations.id"), primary_key=True),
    Column("score", Integer, nullable=False),
    Column("resolved", Boolean, nullable=False),
    Column("comment", EncryptedText("satisfaction.comment")),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("score between 1 and 5", name="score"),
)
