"""The whole draft of a ticket, its promises, and when its decision clock began."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KINDS = "'callback', 'first_contact', 'decision', 'authorization_original', 'evidence', 'review'"


def upgrade() -> None:
    # Online on PostgreSQL and SQLite alike: columns that are empty or have a constant default are added without a rewrite,
    # and a process of the version before goes on writing rows without them.
    for column in (
        sa.Column("customer_type", sa.String(length=8), nullable=True),
        sa.Column("anonymous", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("is_agent", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("agent_kind", sa.String(length=8), nullable=True),
        sa.Column("authorization", sa.String(length=16), nullable=True),
        sa.Column("business_category", sa.String(length=64), nullable=True),
        sa.Column("business_channel", sa.String(length=64), nullable=True),
        sa.Column("level_course", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("explanation_levels", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("missing_fields", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("sources", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("incident_id", sa.String(length=32), nullable=True),
        sa.Column("clock_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("extension_reason", sa.LargeBinary(), nullable=True),
        sa.Column("urged_count", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("review_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("satisfaction", sa.LargeBinary(), nullable=True),
    ):
        op.add_column("tickets", column)
    op.add_column("idempotency", sa.Column("told", sa.JSON(), nullable=True))
    op.create_table(
        "promises",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("ticket_no", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("met_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(f"kind in ({_KINDS})", name=op.f("ck_promises_kind")),
        sa.ForeignKeyConstraint(["ticket_no"], ["tickets.ticket_no"], name=op.f("fk_promises_ticket_no")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promises")),
    )
    op.create_index(op.f("ix_promises_ticket_no"), "promises", ["ticket_no"])
    if _holds_lengths():
        op.alter_column("messages", "asks", type_=sa.String(length=32), existing_type=sa.String(length=16))


def downgrade() -> None:
    if _holds_lengths():
        op.execute("UPDATE messages SET asks = NULL WHERE length(asks) > 16")
        op.alter_column("messages", "asks", type_=sa.String(length=16), existing_type=sa.String(length=32))
    op.drop_index(op.f("ix_promises_ticket_no"), "promises")
    op.drop_table("promises")
    op.drop_column("idempotency", "told")
    for name in (
        "satisfaction",
        "review_requested_at",
        "urged_count",
        "extension_reason",
        "clock_started_at",
        "incident_id",
        "sources",
        "missing_fields",
        "explanation_levels",
        "level_course",
        "business_channel",
        "business_category",
        "authorization",
        "agent_kind",
        "is_agent",
        "anonymous",
        "customer_type",
    ):
        op.drop_column("tickets", name)


def _holds_lengths() -> bool:
    """SQLite takes any length, and could only change a column by copying the table."""
    return op.get_bind().dialect.name != "sqlite"
