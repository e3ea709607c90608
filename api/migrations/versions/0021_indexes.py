"""Indexes of tables that may be big, built while everybody goes on writing; and who answers for old tickets.

Nothing else stands here, so that it can be broken off and begun again (api/migrations/online.py).
"""

from typing import Any

import sqlalchemy as sa

from api.migrations import online

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


_INDEXES: tuple[tuple[str, str, list[str], dict[str, Any]], ...] = (
    ("uq_outbox_event_id", "outbox", ["event_id"], {"unique": True}),
    ("uq_outbox_position", "outbox", ["position"], {"unique": True}),
    ("ix_outbox_ticket_no", "outbox", ["ticket_no"], {}),
    ("ix_outbox_waiting", "outbox", ["id"], _where("position IS NULL")),
    ("ix_tickets_next_check", "tickets", ["next_check_at", "id"], _where("next_check_at IS NOT NULL")),
    ("ix_tickets_created_at", "tickets", ["created_at"], {}),
    ("ix_tickets_retention_until", "tickets", ["retention_until"], {}),
    ("ix_tickets_owner_state", "tickets", ["owner", "state"], {}),
)


def upgrade() -> None:
    for name, table, columns, options in _INDEXES:
        online.create_index(name, table, columns, **options)
    # Until now the unit that had a ticket answered for it; who took it was not kept.
    online.in_batches("tickets", "UPDATE tickets SET responsible = route WHERE {mine} AND responsible IS NULL")


def downgrade() -> None:
    for name, table, _, _ in reversed(_INDEXES):
        online.drop_index(name, table)
