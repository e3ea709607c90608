"""Incidents may be drafts opened for a cluster of complaints; tickets are found by when they were filed."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("incidents") as batch:
        batch.add_column(sa.Column("status", sa.String(length=12), nullable=False, server_default="confirmed"))
        batch.add_column(sa.Column("cluster", sa.String(length=160), nullable=True))
        batch.create_check_constraint(op.f("ck_incidents_status"), "status in ('draft', 'confirmed', 'dismissed')")
        batch.create_index(op.f("ix_incidents_cluster"), ["cluster"])


def downgrade() -> None:
    # The version before would tell customers of what nobody confirmed.
    op.execute("DELETE FROM incidents WHERE status <> 'confirmed'")
    with op.batch_alter_table("incidents") as batch:
        batch.drop_index(op.f("ix_incidents_cluster"))
        batch.drop_constraint(op.f("ck_incidents_status"), type_="check")
        batch.drop_column("cluster")
        batch.drop_column("status")
