"""Links between tickets that may be one matter."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ticket_links",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("ticket_no", sa.String(length=32), nullable=False),
        sa.Column("other_no", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind in ('similar', 'split')", name=op.f("ck_ticket_links_kind")),
        sa.ForeignKeyConstraint(["ticket_no"], ["tickets.ticket_no"], name=op.f("fk_ticket_links_ticket_no")),
        sa.ForeignKeyConstraint(["other_no"], ["tickets.ticket_no"], name=op.f("fk_ticket_links_other_no")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_links")),
    )
    op.create_index(op.f("ix_ticket_links_other_no"), "ticket_links", ["other_no"])
    op.create_index("uq_ticket_links_pair", "ticket_links", ["ticket_no", "other_no", "kind"], unique=True)


def downgrade() -> None:
    op.drop_table("ticket_links")
