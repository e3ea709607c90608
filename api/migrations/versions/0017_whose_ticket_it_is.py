"""Who answers for a ticket, who sent it where it is, how often it was refused, and whom it is about."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("intake_owner", "responsible", "sent_by"):
        op.add_column("tickets", sa.Column(name, sa.String(length=80), nullable=True))
    op.add_column("tickets", sa.Column("refused_count", sa.Integer(), nullable=False, server_default="0"))
    for name in ("recused_persons", "recused_units"):
        op.add_column("tickets", sa.Column(name, sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    for name in ("recused_units", "recused_persons", "refused_count", "sent_by", "responsible", "intake_owner"):
        op.drop_column("tickets", name)
