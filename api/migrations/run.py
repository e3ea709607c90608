"""Brings a database to the newest schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, text

from api.conversations import models as conversations
from api.core.models import metadata
from api.desk import models as desk
from api.dialogue import models as dialogue
from api.tickets import models as tickets
from api.tickets.evidence import models as evidence
from api.tickets.handoff import models as handoff
from api.tickets.handoff.reconciliation import models as reconciliations
from api.tickets.handoff.webhooks import models as webhooks
from api.tickets.links import models as links
from api.tickets.notices import models as notices
from api.tickets.privacy import models as privacy
from api.tickets.search import models as search
from api.tickets.sla import models as sla

_HERE = Path(__file__).resolve().parent
_LOCK = 7_420_119  # any number that nobody else on this database uses


def all_metadata() -> MetaData:
    """Every room's tables; naming the modules is what registers them."""
    rooms = (
        conversations,
        desk,
        dialogue,
        tickets,
        evidence,
        links,
        handoff,
        webhooks,
        reconciliations,
        notices,
        sla,
        privacy,
        search,
    )
    assert all(rooms)  # noqa: S101 - keeps the imports alive for readers and linters
    return metadata


def is_modelled(thing: object, name: str | None, *_: object) -> bool:
    """For Alembic's comparison: what one database alone has for search is made by hand and stands in no model."""
    return not (name or "").startswith(("search_fts", "ix_search_tokens_tokens"))


def script_location() -> Path:
    return _HERE


def configuration(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["connection"] = connection
    return config


def one_at_a_time(connection: Connection) -> None:
    """Until this transaction ends, other processes that start wait here; SQLite has one process anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def migrate(connection: Connection) -> None:
    command.upgrade(configuration(connection), "head")
