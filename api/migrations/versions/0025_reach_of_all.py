"""What tickets of before are whose business."""

from alembic import op

from api.migrations import online

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_PLAIN = ("route", "responsible", "sent_by", "owner", "operator_id")
_LISTS = ("copied", "recused_persons", "recused_units")


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        add = "INSERT OR IGNORE INTO ticket_reach SELECT"
        for name in _PLAIN:
            online.in_batches("tickets", f"{add} {name}, id FROM tickets WHERE {{mine}} AND {name} IS NOT NULL")
        for name in _LISTS:
            online.in_batches("tickets", f"{add} j.value, tickets.id FROM tickets, json_each({name}) j WHERE {{mine}}")
        return
    online.in_batches(
        "tickets",
        "INSERT INTO ticket_reach SELECT who, tickets.id FROM tickets, reach_of(tickets) AS who WHERE {mine}"
        " ON CONFLICT DO NOTHING",
    )


def downgrade() -> None:
    """The table goes with the version before."""
