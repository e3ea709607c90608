"""Which tickets are a unit's or a person's business, kept by the database itself: processes of the version before write, too.

Who recreates `tickets` (alembic's batch mode on SQLite) has to make the triggers again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_PLAIN = ("route", "responsible", "sent_by", "owner", "operator_id")
_LISTS = ("copied", "recused_persons", "recused_units")
_COLUMNS = ", ".join((*_PLAIN, *_LISTS))


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "ticket_reach",
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.Column("ticket_id", big, nullable=False),
        sa.PrimaryKeyConstraint("who", "ticket_id", name="pk_ticket_reach"),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "sqlite":
        _upgrade_sqlite()
    else:
        _upgrade_postgres()


def _upgrade_sqlite() -> None:
    add = f"INSERT OR IGNORE INTO ticket_reach SELECT who, new.id FROM ({_names('new')}) WHERE who IS NOT NULL;"  # noqa: S608 - names of our own
    remove = f"DELETE FROM ticket_reach WHERE ticket_id = old.id AND who IN ({_names('old')});"  # noqa: S608
    op.execute(f"CREATE TRIGGER tickets_reach_added AFTER INSERT ON tickets BEGIN {add} END")
    op.execute(f"CREATE TRIGGER tickets_reach_changed AFTER UPDATE OF {_COLUMNS} ON tickets BEGIN {remove} {add} END")


def _names(row: str) -> str:
    plain = [f"SELECT {row}.{name} AS who" for name in _PLAIN]
    return " UNION ".join([*plain, *(f"SELECT value FROM json_each({row}.{name})" for name in _LISTS)])  # noqa: S608


def _upgrade_postgres() -> None:
    plain = ", ".join(f"(ticket.{name})" for name in _PLAIN)
    lists = "".join(f" UNION SELECT json_array_elements_text(ticket.{name})" for name in _LISTS)
    op.execute(
        "CREATE FUNCTION reach_of(ticket tickets) RETURNS SETOF varchar LANGUAGE sql IMMUTABLE AS $$"  # noqa: S608
        f" SELECT who FROM (SELECT who FROM (VALUES {plain}) AS plain(who){lists}) AS named WHERE who IS NOT NULL $$"
    )
    op.execute(
        "CREATE FUNCTION keep_ticket_reach() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF TG_OP = 'UPDATE' THEN"
        " DELETE FROM ticket_reach WHERE ticket_id = old.id AND who IN (SELECT reach_of(old)); END IF;"
        " INSERT INTO ticket_reach SELECT who, new.id FROM reach_of(new) AS who ON CONFLICT DO NOTHING;"
        " RETURN NULL; END $$"
    )
    op.execute(
        f"CREATE TRIGGER tickets_reach AFTER INSERT OR UPDATE OF {_COLUMNS} ON tickets"
        " FOR EACH ROW EXECUTE FUNCTION keep_ticket_reach()"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER tickets_reach_changed")
        op.execute("DROP TRIGGER tickets_reach_added")
    else:
        op.execute("DROP TRIGGER tickets_reach ON tickets")
        op.execute("DROP FUNCTION keep_ticket_reach")
        op.execute("DROP FUNCTION reach_of")
    op.drop_table("ticket_reach")
