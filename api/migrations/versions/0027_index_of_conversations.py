"""The conversations of a ticket are found without reading them all."""

from api.migrations import online

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    online.create_index("ix_conversations_ticket_no", "conversations", ["ticket_no"])


def downgrade() -> None:
    online.drop_index("ix_conversations_ticket_no", "conversations")
