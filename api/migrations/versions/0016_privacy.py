"""Consents, and the marks of a ticket's retention: until when, held by whom, restricted, and anonymised when."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_MARKS = (
    "processing_restricted_at",
    "legal_hold_reason",
    "legal_hold_by",
    "legal_hold_at",
    "anonymised_at",
    "retention_until",
)


def upgrade() -> None:
    # Empty columns: added without a rewrite, and a process of the version before goes on writing rows without them.
    for column in (
        sa.Column("retention_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("anonymised_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("legal_hold_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("legal_hold_by", sa.String(length=80), nullable=True),
        sa.Column("legal_hold_reason", sa.LargeBinary(), nullable=True),
        sa.Column("processing_restricted_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("tickets", column)
    op.create_table(
        "consents",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=True),
        sa.Column("ticket_no", sa.String(length=32), nullable=True),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("text_hash", sa.String(length=64), nullable=False),
        sa.Column("purposes", sa.JSON(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=80), nullable=True),
        sa.Column("withdrawal_reason", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "conversation_id is not null or ticket_no is not null", name=op.f("ck_consents_of_something")
        ),
        sa.CheckConstraint("(withdrawn_at is null) = (withdrawn_by is null)", name=op.f("ck_consents_withdrawn")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index(op.f("ix_consents_conversation_id"), "consents", ["conversation_id"])
    op.create_index(op.f("ix_consents_ticket_no"), "consents", ["ticket_no"])


def downgrade() -> None:
    op.drop_table("consents")
    for name in _MARKS:
        op.drop_column("tickets", name)
