"""Hand-off: what an event tells, in which order, and who acknowledged it. Old rows get their place from the relay."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for column in (
        sa.Column("event_id", sa.String(length=96), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("unit", sa.String(length=64), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
    ):
        op.add_column("outbox", column)
    op.create_table(
        "handoff_acks",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("consumer", sa.String(length=80), nullable=False),
        sa.Column("event_id", sa.String(length=96), nullable=False),
        sa.Column("ticket_no", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("external_ref", sa.String(length=64), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handoff_acks")),
        sa.UniqueConstraint("consumer", "event_id", name=op.f("uq_handoff_acks_consumer_event_id")),
    )
    op.create_index("ix_handoff_acks_ticket_no", "handoff_acks", ["ticket_no"])


def downgrade() -> None:
    op.drop_table("handoff_acks")
    for name in ("position", "payload", "unit", "version", "event_id"):
        op.drop_column("outbox", name)
    op.execute(sa.text("DELETE FROM counters WHERE name = 'handoff'"))
