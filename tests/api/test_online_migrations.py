"""PostgreSQL's schema changes while processes of the version before read and write: they wait a moment at most."""

import threading
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from api.migrations import run
from api.migrations.run import LockedError, migrate
from tests.api.postgres import why_not
from tests.api.stores import empty_postgres_database
from tests.api.test_migrations import _BEFORE, insert

pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")

OLD = "0015"  # columns of tickets come after it, and indexes


@pytest.fixture
def url(postgres_server: str) -> Iterator[str]:
    with empty_postgres_database(postgres_server) as made:
        yield made


@pytest.fixture
def engine(url: str) -> Engine:
    """At the version before, with a ticket."""
    made = create_engine(url, poolclass=NullPool)
    migrate(made, "0002")
    with made.begin() as connection:
        insert(connection, "tickets", _BEFORE)
    migrate(made, OLD)
    return made


def plain(url: str) -> str:
    return url.replace("+psycopg", "")


def revision(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def invalid(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM pg_index WHERE NOT indisvalid")).scalar_one())


class InBackground:
    """A migration in a thread; `error` is what it ended with."""

    def __init__(self, engine: Engine) -> None:
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(engine,))
        self._thread.start()

    def _run(self, engine: Engine) -> None:
        try:
            migrate(engine)
        except Exception as error:  # noqa: BLE001 - told by `finish`
            self.error = error

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def finish(self) -> None:
        self._thread.join(60)
        assert not self.running
        if self.error is not None:
            raise self.error


def test_behind_a_long_report_writers_wait_a_moment_at_most(engine: Engine, url: str) -> None:
    with psycopg.connect(plain(url)) as report, psycopg.connect(plain(url), autocommit=True) as writer:
        report.execute("SELECT count(*) FROM tickets")  # and its transaction stays open
        writer.execute("SET statement_timeout = '4s'")  # the migration's patience, and some for a machine that is busy
        migration = InBackground(engine)
        for _ in range(40):
            writer.execute("UPDATE tickets SET urged_count = urged_count + 1")
            writer.execute("SELECT pg_sleep(0.05)")
        assert migration.running
        assert revision(engine) == OLD
        report.rollback()
        migration.finish()
    assert revision(engine) != OLD
    with engine.connect() as connection:
        row = connection.execute(text("SELECT urged_count, responsible, route FROM tickets")).one()
    assert (row.urged_count, row.responsible) == (40, row.route)


def test_a_report_that_never_ends_is_told_and_nothing_changed(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_LONGEST", 0.0)
    with psycopg.connect(plain(url)) as report:
        report.execute("SELECT count(*) FROM tickets")
        with pytest.raises(LockedError, match="pg_stat_activity"):
            migrate(engine)
    assert revision(engine) == OLD


def test_processes_that_start_at_once_do_not_wait_for_each_other_for_ever(engine: Engine) -> None:
    """One that waited inside the database would hold a snapshot, and an index built concurrently waits for that."""
    migrations = [InBackground(engine) for _ in range(3)]
    for migration in migrations:
        migration.finish()
    assert invalid(engine) == 0


def test_an_index_that_was_broken_off_is_built_again(engine: Engine) -> None:
    migrate(engine, "0020")
    with engine.begin() as connection:
        connection.execute(text("CREATE INDEX ix_outbox_ticket_no ON outbox (id)"))
        connection.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_outbox_ticket_no'::regclass")
        )
    assert invalid(engine) == 1
    migrate(engine)
    assert invalid(engine) == 0
    with engine.connect() as connection:
        made = connection.execute(text("SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_outbox_ticket_no'"))
        assert "(ticket_no)" in made.scalar_one()


def test_what_serves_is_not_left_impatient(engine: Engine) -> None:
    """The migration's short patience stays with its own connections."""
    serving = create_engine(engine.url, pool_size=1, max_overflow=0)
    migrate(serving)
    with serving.connect() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "0"
    serving.dispose()
