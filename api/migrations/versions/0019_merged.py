"""What was merged into a ticket is found by it."""

from api.migrations import online

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    online.create_index("ix_tickets_parent_ticket", "tickets", ["parent_ticket"])


def downgrade() -> None:
    online.drop_index("ix_tickets_parent_ticket", "tickets")
