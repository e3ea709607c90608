"""Brings a database to the newest schema."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, MetaData, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from api.conversations import models as conversations
from api.core.logging import get_logger
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
_LOCK, _MIGRATING = 7_420_119, 7_420_120  # any numbers that nobody else on this database uses

_PATIENCE = "1s"  # for one lock: so long may everybody else be kept waiting behind us
_LONGEST = 600.0  # seconds of trying again
_LOCK_TIMEOUT = "55P03"

logger = get_logger("migrations")


class LockedError(Exception):
    """数据库结构没有升级：等了十分钟，仍有事务占着表不放。请找出并结束它（pg_stat_activity 里最早的 xact_start），再启动。"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


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


def migrate(engine: Engine, revision: str = "head", move: Callable[..., object] = command.upgrade) -> None:
    """SQLite in one transaction. PostgreSQL while processes of the version before go on reading and writing:

    each migration is a transaction of its own, waits for a lock at most _PATIENCE (whoever comes after it would wait as
    long), and is tried again until _LONGEST has passed; big indexes are built without blocking anybody (online.py).
    Raises LockedError in the end.
    """
    if engine.dialect.name == "postgresql":
        # Connections of its own: what is set on them must not stay with those that serve.
        own = create_engine(engine.url, poolclass=NullPool, hide_parameters=True)
        with _alone(own):
            _online(own, revision, move)
    else:
        with engine.begin() as connection:
            move(configuration(connection), revision)


def _online(engine: Engine, revision: str, move: Callable[..., object]) -> None:
    began, pause = time.monotonic(), 0.5
    while True:
        try:
            with engine.connect() as connection:
                connection.execute(text(f"SET lock_timeout = '{_PATIENCE}'"))
                connection.commit()
                move(configuration(connection), revision)
                return
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_TIMEOUT:
                raise
            if time.monotonic() - began > _LONGEST:
                raise LockedError from error
        logger.warning("migration_waits", seconds=round(time.monotonic() - began))
        time.sleep(pause)
        pause = min(pause * 2, 10.0)


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Asked for again and again rather than waited for: who waits inside PostgreSQL holds a snapshot, and an index that is built
    concurrently waits for that to end.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _MIGRATING}).scalar_one():
            time.sleep(0.2)
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _MIGRATING})
