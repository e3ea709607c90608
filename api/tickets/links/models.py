"""Which tickets have to do with each other, and why; and which conversations with a ticket."""

from sqlalchemy import JSON, CheckConstraint, Column, ForeignKey, Index, String, Table

from api.core.models import BigId, Instant, metadata

ticket_links = Table(
    "ticket_links",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    # The later one of both, and the earlier.
    Column("ticket_no", ForeignKey("tickets.ticket_no"), nullable=False),
    Column("other_no", ForeignKey("tickets.ticket_no"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    # Names of similarity.Reason; nothing that was told.
    Column("reasons", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    # Staff said that it is not the same matter: named to nobody any more, in neither of both.
    Column("dismissed_at", Instant),
    Column("dismissed_by", String(80)),
    CheckConstraint("kind in ('similar', 'split')", name="kind"),
)
Index("uq_ticket_links_pair", ticket_links.c.ticket_no, ticket_links.c.other_no, ticket_links.c.kind, unique=True)

# Of each filing out of a conversation. A ticket's row names one conversation, and a repeat that joined it may be another's.
ticket_talks = Table(
    "ticket_talks",
    metadata,
    Column("conversation_id", String(64), primary_key=True),
    Column("ticket_no", ForeignKey("tickets.ticket_no"), primary_key=True, index=True),
)
