"""The second guess of the cause, for the desk."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Online on PostgreSQL and SQLite alike: an empty column, no rewrite.
    op.add_column("tickets", sa.Column("cause_runner_up", sa.String(length=8), nullable=True))


def downgrade() -> None:
    op.drop_column("tickets", "cause_runner_up")
