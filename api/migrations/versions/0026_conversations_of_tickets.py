"""Which conversations have joined a ticket."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ticket_talks",
        sa.Column("conversation_id", sa.String(length=64), nullable=False),
        sa.Column("ticket_no", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["ticket_no"], ["tickets.ticket_no"], name=op.f("fk_ticket_talks_ticket_no")),
        sa.PrimaryKeyConstraint("conversation_id", "ticket_no", name=op.f("pk_ticket_talks")),
    )
    op.create_index(op.f("ix_ticket_talks_ticket_no"), "ticket_talks", ["ticket_no"])


def downgrade() -> None:
    op.drop_table("ticket_talks")
