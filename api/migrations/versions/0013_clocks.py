"""What the clocks of tickets are counted by, what they come to, and what was told of them.

A process of the version before files tickets without these columns; the running ones are counted within a minute by
whichever new process runs the job (api/tickets/timers.py), which also does it for every ticket that is older than this.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_KINDS = ("callback", "first_contact", "decision", "authorization_original", "evidence", "review")
_COLUMNS = (
    "provisional",
    "next_check_at",
    "service_due_at",
    "complexity",
    "calendar_version",
    "policy_version",
    "source",
)
_ACTS = ("UPDATE", "DELETE")
_REFUSAL = "a policy that was in force does not change"


def upgrade() -> None:
    for column in (
        sa.Column("source", sa.String(length=16), nullable=True),
        sa.Column("policy_version", sa.Integer(), nullable=True),
        sa.Column("calendar_version", sa.String(length=16), nullable=True),
        sa.Column("complexity", sa.String(length=8), nullable=False, server_default="simple"),
        sa.Column("service_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provisional", sa.Boolean(), nullable=False, server_default=sa.false()),
    ):
        op.add_column("tickets", column)
    op.create_table(
        "sla_policies",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_sla_policies")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_sla_policies_content_hash")),
    )
    op.create_table(
        "sla_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("ticket_no", sa.String(length=32), nullable=False),
        sa.Column("clock", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind in ('warn50', 'warn80', 'overdue', 'level2', 'level3')", name=op.f("ck_sla_events_kind")
        ),
        sa.ForeignKeyConstraint(["ticket_no"], ["tickets.ticket_no"], name=op.f("fk_sla_events_ticket_no")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sla_events")),
        sa.UniqueConstraint("ticket_no", "clock", "run", "kind", name=op.f("uq_sla_events_ticket_no_clock_run_kind")),
    )
    _guard()
    _promise_kinds((*_KINDS, "extension_notice"))


def downgrade() -> None:
    op.execute("DELETE FROM promises WHERE kind = 'extension_notice'")
    _promise_kinds(_KINDS)
    op.drop_table("sla_events")
    op.drop_table("sla_policies")
    if not _is_sqlite():
        op.execute("DROP FUNCTION sla_policies_stay()")
    for name in _COLUMNS:
        op.drop_column("tickets", name)


def _guard() -> None:
    """Whoever writes SQL by hand is refused, too."""
    if _is_sqlite():
        for act in _ACTS:
            op.execute(
                f"CREATE TRIGGER sla_policies_no_{act.lower()} BEFORE {act} ON sla_policies"
                f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION sla_policies_stay() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER sla_policies_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON sla_policies"
        " FOR EACH STATEMENT EXECUTE FUNCTION sla_policies_stay()"
    )


def _promise_kinds(kinds: tuple[str, ...]) -> None:
    """Nothing refers to promises, so that SQLite may copy the table."""
    named = ", ".join(f"'{kind}'" for kind in kinds)
    with op.batch_alter_table("promises") as batch:
        batch.drop_constraint(op.f("ck_promises_kind"), type_="check")
        batch.create_check_constraint(op.f("ck_promises_kind"), f"kind in ({named})")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
