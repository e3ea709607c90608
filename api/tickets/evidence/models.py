"""Stored files by content, and who added which of them to what. The bytes themselves lie in `api.core.files`."""

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Integer, String, Table, UniqueConstraint

from api.core.crypto import EncryptedBytes, EncryptedText
from api.core.files.scanner import Scan
from api.core.models import Instant, metadata

evidence_files = Table(
    "evidence_files",
    metadata,
    Column("address", String(64), primary_key=True),
    Column("key", EncryptedBytes("evidence_files.key"), nullable=False),
    Column("sha256", EncryptedText("evidence_files.sha256"), nullable=False),
    Column("size", Integer, nullable=False),
    Column("media_type", String(64), nullable=False),
    Column("scan", String(16), nullable=False),
    Column("scanned_at", Instant),  # the last try, with or without a verdict
    Column("created_at", Instant, nullable=False),
    CheckConstraint("scan in (" + ", ".join(f"'{scan}'" for scan in Scan) + ")", name="scan"),
)

attachments = Table(
    "attachments",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("address", ForeignKey("evidence_files.address"), nullable=False, index=True),
    # What it came with: a conversation, or staff's upload to a ticket. A conversation's belong to its ticket, too.
    Column("conversation_id", String(64)),
    Column("ticket_no", ForeignKey("tickets.ticket_no"), index=True),
    Column("name", EncryptedText("attachments.name"), nullable=False),
    Column("added_by", String(80), nullable=False),
    Column("from_customer", Boolean, nullable=False),
    # Uploaded is not said yet: empty until a message carries it.
    Column("sent_at", Instant),
    Column("created_at", Instant, nullable=False),
    # The same photo twice in a conversation is one attachment, however often an upload is tried.
    UniqueConstraint("conversation_id", "address"),
    CheckConstraint("conversation_id is not null or ticket_no is not null", name="place"),
)
