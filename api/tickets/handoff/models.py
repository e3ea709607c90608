"""The outbox and what receivers said about it.

An outbox row is written in the transaction of the change. The relay gives it its `position` afterwards: on PostgreSQL a
lower `id` may become visible after a higher one, while positions become visible in order and without a gap, so that a
reader who keeps the last one has missed nothing.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, UniqueConstraint

from api.core.crypto import EncryptedJson
from api.core.models import BigId, Instant, metadata

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("ticket_no", String(32), nullable=False),
    Column("type", String(32), nullable=False),
    Column("state", String(32), nullable=False),
    Column("restricted_to", String(64)),
    Column("created_at", Instant, nullable=False),
    # Empty until the relay comes by; the first three also in rows of a process of the version before.
    Column("event_id", String(96)),
    Column("version", Integer),
    Column("unit", String(64)),
    Column("payload", EncryptedJson("outbox.payload")),
    Column("position", BigInteger),
    Column("published_at", Instant),
)
Index("uq_outbox_event_id", outbox.c.event_id, unique=True)
Index("uq_outbox_position", outbox.c.position, unique=True)
Index("ix_outbox_ticket_no", outbox.c.ticket_no)
Index(
    "ix_outbox_waiting",
    outbox.c.id,
    sqlite_where=outbox.c.position.is_(None),
    postgresql_where=outbox.c.position.is_(None),
)

Index(
    "ix_outbox_kept",
    outbox.c.created_at,
    sqlite_where=outbox.c.payload.is_not(None),
    postgresql_where=outbox.c.payload.is_not(None),
)

# A back office says that it has an event, and under which number of its own; `created_at`: when it last said something new.
acks = Table(
    "handoff_acks",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("consumer", String(80), nullable=False),
    Column("event_id", String(96), nullable=False),
    Column("ticket_no", String(32), nullable=False),
    Column("version", Integer, nullable=False),
    Column("external_ref", String(64)),
    Column("received_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("consumer", "event_id"),
)
Index("ix_handoff_acks_ticket_no", acks.c.ticket_no)
