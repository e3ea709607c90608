"""Indexes of the queue, its filters and their combinations."""

from typing import Any

import sqlalchemy as sa

from api.migrations import online

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_RUNNING = "state IN ('new', 'accepted', 'investigating', 'waiting_customer', 'waiting_third_party')"


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


_INDEXES: tuple[tuple[str, list[str], dict[str, Any]], ...] = (
    ("ix_tickets_by_state", ["state", "id", "route", "cause_l1", "level_peak"], {}),
    ("ix_tickets_by_route", ["route", "id", "state", "cause_l1", "level_peak"], {}),
    ("ix_tickets_by_cause", ["cause_l1", "id", "state", "route", "level_peak"], {}),
    ("ix_tickets_by_detail", ["cause_l2", "id"], {}),
    ("ix_tickets_by_owner", ["owner", "id", "state"], {}),
    ("ix_tickets_hot", ["id", "level_peak", "route", "cause_l1", "state"], _where("level_peak >= 3")),
    ("ix_tickets_running", ["id", "due_at", "route", "cause_l1", "level_peak"], _where(_RUNNING)),
)


def upgrade() -> None:
    for name, columns, options in _INDEXES:
        online.create_index(name, "tickets", columns, **options)


def downgrade() -> None:
    for name, _, _ in reversed(_INDEXES):
        online.drop_index(name, "tickets")
