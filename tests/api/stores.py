"""Databases for tests: each test has one to itself, as it is after its migration.

Every test that starts a bridge runs on SQLite and on PostgreSQL, unless it says `@pytest.mark.only_on("sqlite", reason=…)`.
"""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from api.core.models import metadata
from api.core.settings import Settings
from api.migrations.run import migrate
from tests.api import emptying
from tests.api.postgres import why_not

KINDS = ("sqlite", "postgresql")
_TEMPLATE = "migrated"
_EMPTIED: dict[str, list[str]] = {}  # by server
_VERSIONS = Path(__file__).resolve().parents[2] / "api" / "migrations" / "versions"


@dataclass(frozen=True)
class Store:
    """One test's database; `server` is the PostgreSQL server's address, `template` the SQLite file to copy."""

    kind: str
    database_url: str | None = None
    server: str | None = None
    template: Path | None = None

    @property
    def name(self) -> str:
        """The PostgreSQL database's."""
        return (self.database_url or "").rpartition("/")[2]

    def prepare(self, settings: Settings) -> None:
        """Puts a migrated SQLite file where this bridge will look, unless one is there already."""
        target = settings.data_dir / "tingsu.sqlite3"
        if self.template is not None and settings.database_url is None and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.template, target)


def parametrise(metafunc: pytest.Metafunc) -> None:
    """For pytest_generate_tests."""
    if "store" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("only_on")
    kinds: tuple[str, ...] = KINDS
    if marker is not None:
        (kind,), reason = marker.args, marker.kwargs["reason"]
        assert kind in KINDS
        assert reason
        kinds = (kind,)
    missing = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")
    marks = {"sqlite": (), "postgresql": missing}
    metafunc.parametrize("store", [pytest.param(kind, marks=marks[kind]) for kind in kinds], indirect=True)


def make_sqlite_template(directory: Path) -> Path:
    path = directory / "migrated.sqlite3"
    _migrate(f"sqlite:///{path}")
    return path


def make_postgres_template(server: str) -> None:
    _administer(server, f"CREATE DATABASE {_TEMPLATE}")
    _migrate(_sql_url(f"{server}/{_TEMPLATE}"))


@contextmanager
def postgres_database(server: str) -> Iterator[Store]:
    """As the template: one that a test before has used and that was emptied since, or a new one."""
    emptied = _EMPTIED.setdefault(server, [])
    if emptied:
        name = emptied.pop()
    else:
        name = f"t{uuid.uuid4().hex}"
        _administer(server, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    yield Store("postgresql", database_url=f"{server}/{name}", server=server)
    if emptying.emptied(f"{server}/{name}", like=f"{server}/{_TEMPLATE}"):
        emptied.append(name)
    else:
        _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def empty_postgres_database(server: str) -> Iterator[str]:
    """Its address in SQLAlchemy's spelling; no table yet."""
    name = f"t{uuid.uuid4().hex}"
    _administer(server, f"CREATE DATABASE {name}")
    yield _sql_url(f"{server}/{name}")
    _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


def written(settings: Settings) -> bytes:
    """All that lies on a disk: every file of the data directory and, as PostgreSQL prints them, its rows; blobs as they are."""
    found = b"".join(path.read_bytes() for path in settings.data_dir.rglob("*") if path.is_file())
    if settings.database_url:
        with psycopg.connect(settings.database_url) as connection:
            for table in metadata.sorted_tables:
                rows = connection.execute(f'SELECT * FROM "{table.name}"'.encode())  # noqa: S608
                found += b"|".join(
                    cell if isinstance(cell, bytes) else str(cell).encode() for row in rows for cell in row
                )
    return found


def migrate_what_is_old(engine: Engine) -> None:
    """Alembic reads and compiles its scripts each time; a copy of the template needs none of them."""
    with engine.connect() as connection:
        made = connection.dialect.has_table(connection, "alembic_version")
        if made and _revision(connection) == _newest():
            return
    migrate(engine)


def _newest() -> str:
    return max(path.name[:4] for path in _VERSIONS.glob("[0-9]*.py"))


def _revision(connection: Connection) -> str:
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def _migrate(url: str) -> None:
    migrate(create_engine(url, poolclass=NullPool))


def _administer(server: str, statement: str) -> None:
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(statement.encode())


def _sql_url(address: str) -> str:
    return address.replace("postgresql:", "postgresql+psycopg:", 1)
