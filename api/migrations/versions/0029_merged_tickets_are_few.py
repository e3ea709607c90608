"""What was merged into a ticket is found in an index of merged tickets alone: SQLite took one of all tickets for worthless."""

import sqlalchemy as sa

from api.migrations import online

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    some = sa.text("parent_ticket IS NOT NULL")
    online.create_index(
        "ix_tickets_merged_into", "tickets", ["parent_ticket"], sqlite_where=some, postgresql_where=some
    )
    online.drop_index("ix_tickets_parent_ticket", "tickets")


def downgrade() -> None:
    online.create_index("ix_tickets_parent_ticket", "tickets", ["parent_ticket"])
    online.drop_index("ix_tickets_merged_into", "tickets")
