"""Staff may say that what was suggested as related is not."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Empty columns: a process of the version before goes on writing, and still shows what was dismissed.
    op.add_column("ticket_links", sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ticket_links", sa.Column("dismissed_by", sa.String(length=80), nullable=True))


def downgrade() -> None:
    for name in ("dismissed_by", "dismissed_at"):
        op.drop_column("ticket_links", name)
