"""What was merged into a ticket is found by it."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_tickets_parent_ticket"), "tickets", ["parent_ticket"])


def downgrade() -> None:
    op.drop_index(op.f("ix_tickets_parent_ticket"), "tickets")
