"""An index of events whose snapshot is still kept, by age: the nightly purge finds the old ones without reading the outbox."""

import sqlalchemy as sa

from api.migrations import online

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kept = sa.text("payload IS NOT NULL")
    online.create_index("ix_outbox_kept", "outbox", ["created_at"], sqlite_where=kept, postgresql_where=kept)


def downgrade() -> None:
    online.drop_index("ix_outbox_kept", "outbox")
