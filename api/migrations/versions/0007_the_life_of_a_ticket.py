"""The states of a ticket's life, its version, the numbers in its thread, and what no row may say in a state.

A process of the version before goes on filing, accepting and commenting; what it would answer or close has names that
the table no longer takes, and is refused with nothing changed until that process is replaced.
"""

# ruff: noqa: S608 - every name and value in these statements stands in this file
from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_EXPLAINED = "'解释', '无依据'"
_WAITING = "'waiting_customer', 'waiting_third_party'"
_HANDLED = f"'accepted', 'investigating', {_WAITING}"
_RUNNING = f"'new', {_HANDLED}"
_DECIDED = "'proposed', 'closed_resolved', 'closed_explained'"
_CLOSED = "'closed_resolved', 'closed_explained', 'withdrawn', 'rejected_not_complaint', 'merged'"

_OLD = {
    "withdrawn": "(state = 'withdrawn') = (withdrawn_at is not null)",
    "state": "state in ('new', 'accepted', 'resolved', 'closed', 'withdrawn', 'merged')",
}
_NEW = {
    "withdrawn": "(state = 'withdrawn') = (withdrawn_at is not null)",
    "state": f"state in ({_RUNNING}, 'proposed', {_CLOSED})",
    "closed": f"(state in ({_CLOSED})) = (closed_at is not null)",
    "awaited": f"(state in ({_WAITING})) = (awaited is not null)",
    "accepted": (f"not (state = 'new' and accepted_at is not null or state in ({_HANDLED}) and accepted_at is null)"),
    "resolved": (
        f"not (state in ({_RUNNING}) and resolved_at is not null"
        f" or state in ({_DECIDED}) and (resolved_at is null or outcome is null))"
    ),
    "outcome": (
        f"not (state = 'closed_explained' and outcome not in ({_EXPLAINED})"
        f" or state = 'closed_resolved' and outcome in ({_EXPLAINED}))"
    ),
    "merged": "state <> 'merged' or parent_ticket is not null",
}


def upgrade() -> None:
    op.add_column("tickets", sa.Column("version", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("tickets", sa.Column("awaited", sa.LargeBinary(), nullable=True))
    op.add_column("tickets", sa.Column("validity", sa.String(length=8), nullable=True))
    op.add_column("ticket_events", sa.Column("seq", sa.Integer(), nullable=True))
    if _holds_lengths():
        for table in ("tickets", "outbox"):
            op.alter_column(table, "state", type_=sa.String(length=32), existing_type=sa.String(length=16))
    _drop_checks(_OLD)
    explained = f"(SELECT ticket_no FROM tickets WHERE outcome IN ({_EXPLAINED}))"
    # Closed without an answer: only what came down from this schema.
    rejected = "(SELECT ticket_no FROM tickets WHERE state = 'closed' AND resolved_at IS NULL)"
    for table in ("outbox", "tickets"):
        op.execute(
            f"UPDATE {table} SET state = 'rejected_not_complaint' WHERE state = 'closed' AND ticket_no IN {rejected}"
        )
        op.execute(f"UPDATE {table} SET state = 'proposed' WHERE state = 'resolved'")
        op.execute(f"UPDATE {table} SET state = 'closed_explained' WHERE state = 'closed' AND ticket_no IN {explained}")
        op.execute(f"UPDATE {table} SET state = 'closed_resolved' WHERE state = 'closed'")
    # A withdrawn ticket could be opened again without ever having been accepted.
    op.execute("UPDATE tickets SET accepted_at = updated_at WHERE state = 'accepted' AND accepted_at IS NULL")
    _add_checks(_NEW)
    op.execute(
        "UPDATE ticket_events SET seq = (SELECT count(*) FROM ticket_events AS before"
        " WHERE before.ticket_no = ticket_events.ticket_no AND before.id <= ticket_events.id)"
    )
    op.execute(
        "UPDATE tickets SET version = (SELECT count(*) FROM ticket_events WHERE ticket_events.ticket_no = tickets.ticket_no)"
    )
    op.create_index("uq_ticket_events_ticket_no_seq", "ticket_events", ["ticket_no", "seq"], unique=True)
    op.drop_index(op.f("ix_ticket_events_ticket_no"), "ticket_events")


def downgrade() -> None:
    op.create_index(op.f("ix_ticket_events_ticket_no"), "ticket_events", ["ticket_no"])
    op.drop_index("uq_ticket_events_ticket_no_seq", "ticket_events")
    _drop_checks(_NEW)
    for table in ("outbox", "tickets"):
        op.execute(f"UPDATE {table} SET state = 'resolved' WHERE state = 'proposed'")
        op.execute(f"UPDATE {table} SET state = 'accepted' WHERE state IN ({_HANDLED})")
        ended = "'closed_resolved', 'closed_explained', 'rejected_not_complaint'"
        op.execute(f"UPDATE {table} SET state = 'closed' WHERE state IN ({ended})")
    _add_checks(_OLD)
    if _holds_lengths():
        for table in ("tickets", "outbox"):
            op.alter_column(table, "state", type_=sa.String(length=16), existing_type=sa.String(length=32))
    op.drop_column("ticket_events", "seq")
    for name in ("validity", "awaited", "version"):
        op.drop_column("tickets", name)


def _holds_lengths() -> bool:
    """SQLite takes any length, and could only change a column by copying the table."""
    return op.get_bind().dialect.name != "sqlite"


def _drop_checks(checks: Mapping[str, str]) -> None:
    if _holds_lengths():
        for name in checks:
            op.drop_constraint(op.f(f"ck_tickets_{name}"), "tickets", type_="check")
    else:
        _rewrite(*((_clause(name, check), "") for name, check in checks.items()))


def _add_checks(checks: Mapping[str, str]) -> None:
    if _holds_lengths():
        for name, check in checks.items():
            op.create_check_constraint(op.f(f"ck_tickets_{name}"), "tickets", check)
    else:
        clauses = "".join(_clause(name, check) for name, check in checks.items())
        _rewrite((_LAST, clauses + _LAST))
        _verify(checks)


# SQLite can only change a constraint by copying the table, which the rows that refer to it forbid inside a transaction;
# for constraints alone its manual has this way (lang_altertable, "changes that do not affect the on-disk content").
_LAST = "CONSTRAINT uq_tickets_ticket_no UNIQUE (ticket_no)"


def _clause(name: str, check: str) -> str:
    return f"CONSTRAINT ck_tickets_{name} CHECK ({check}), \n\t"


def _rewrite(*changes: tuple[str, str]) -> None:
    bind = op.get_bind()
    sql = bind.execute(sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'tickets'")).scalar_one()
    for before, after in changes:
        if before not in sql:
            raise RuntimeError(f"the table tickets lacks: {before}")
        sql = sql.replace(before, after)
    version = bind.exec_driver_sql("PRAGMA schema_version").scalar_one()
    bind.exec_driver_sql("PRAGMA writable_schema = ON")
    bind.execute(sa.text("UPDATE sqlite_master SET sql = :sql WHERE type = 'table' AND name = 'tickets'"), {"sql": sql})
    bind.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    bind.exec_driver_sql("PRAGMA writable_schema = RESET")


def _verify(checks: Mapping[str, str]) -> None:
    """PostgreSQL looks at the rows when it adds a constraint; this way has to look itself."""
    for name, check in checks.items():
        broken = sa.text(f"SELECT ticket_no FROM tickets WHERE NOT ({check}) LIMIT 1")
        if (ticket_no := op.get_bind().execute(broken).scalar()) is not None:
            raise RuntimeError(f"ticket {ticket_no} breaks ck_tickets_{name}")
