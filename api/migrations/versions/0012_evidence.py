"""Evidence: stored files by content, attachments, and messages that carry some."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evidence_files",
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=False),
        sa.Column("scan", sa.String(length=16), nullable=False),
        sa.Column("scanned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "scan in ('clean', 'pending', 'not_scanned', 'infected')", name=op.f("ck_evidence_files_scan")
        ),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_evidence_files")),
    )
    op.create_table(
        "attachments",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=True),
        sa.Column("ticket_no", sa.String(length=32), nullable=True),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("added_by", sa.String(length=80), nullable=False),
        sa.Column("from_customer", sa.Boolean(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("conversation_id is not null or ticket_no is not null", name=op.f("ck_attachments_place")),
        sa.ForeignKeyConstraint(["address"], ["evidence_files.address"], name=op.f("fk_attachments_address")),
        sa.ForeignKeyConstraint(["ticket_no"], ["tickets.ticket_no"], name=op.f("fk_attachments_ticket_no")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
        sa.UniqueConstraint("conversation_id", "address", name=op.f("uq_attachments_conversation_id_address")),
    )
    op.create_index(op.f("ix_attachments_address"), "attachments", ["address"])
    op.create_index(op.f("ix_attachments_ticket_no"), "attachments", ["ticket_no"])
    op.add_column("messages", sa.Column("attachments", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "attachments")
    op.drop_table("attachments")
    op.drop_table("evidence_files")
