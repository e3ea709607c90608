"""Which tickets have to do with each other, and why."""

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
