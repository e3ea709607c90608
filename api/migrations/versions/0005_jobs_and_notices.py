"""Which background job ran when, and what somebody must look at."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=True),
        sa.Column("lease_until", sa.Float(53), nullable=False),
        sa.Column("done_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_jobs")),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("unique_key", sa.String(length=160), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(length=500), nullable=False),
        sa.Column("ticket_no", sa.String(length=32), nullable=True),
        sa.Column("incident_no", sa.String(length=16), nullable=True),
        sa.Column("to_unit", sa.String(length=64), nullable=True),
        sa.Column("restricted_to", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=80), nullable=True),
        sa.CheckConstraint("level between 1 and 4", name=op.f("ck_notices_level")),
        sa.CheckConstraint(
            "(acknowledged_at is null) = (acknowledged_by is null)", name=op.f("ck_notices_acknowledged")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("unique_key", name=op.f("uq_notices_unique_key")),
    )
    op.create_index(op.f("ix_notices_ticket_no"), "notices", ["ticket_no"])
    open_only = sa.text("acknowledged_at IS NULL")
    op.create_index("ix_notices_open", "notices", ["id"], sqlite_where=open_only, postgresql_where=open_only)


def downgrade() -> None:
    op.drop_table("notices")
    op.drop_table("jobs")
