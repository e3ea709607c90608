"""The search index. It fills by itself: the server indexes what is not in it yet (api/tickets/search/upkeep.py)."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "search_tokens",
        sa.Column("ticket_id", _BIG, nullable=False, autoincrement=False),
        sa.Column("key_number", sa.SmallInteger(), nullable=False),
        sa.Column("tokens", sa.LargeBinary() if on_sqlite else postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["tickets.id"], name=op.f("fk_search_tokens_ticket_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_search_tokens")),
    )
    if on_sqlite:
        # No positions, no sizes, no copy of the content: hashes and the tickets that have them.
        op.execute(
            "CREATE VIRTUAL TABLE search_fts USING fts5(tokens, content='', detail=none, columnsize=0, tokenize='ascii')"
        )
        return
    # What waits to be put into the tree is read from its beginning by every search: little of it, then.
    op.execute(
        "CREATE INDEX ix_search_tokens_tokens ON search_tokens USING gin (tokens) WITH (gin_pending_list_limit = 512)"
    )
    # The planner has to know how common a hash is: a common one is found quicker from the newest ticket down.
    op.execute("ALTER TABLE search_tokens ALTER COLUMN tokens SET STATISTICS 1000")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE search_fts")
    op.drop_table("search_tokens")
