"""Pages of the queue are read from an index, the newest first, whatever is filtered: nothing is sorted, nothing is scanned."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import NullPool

from api.core.settings import Settings
from api.tickets import repository
from api.tickets.models import tickets
from benchmarks.tickets.fill import fill
from tests.api.conftest import ROOT, Bridge

NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """Two thousand tickets, and what the planner knows of them."""
    directory = tmp_path_factory.mktemp("queue")
    settings = Settings(data_dir=directory, playbook=ROOT / "playbook", _env_file=None)
    fill(settings, 2000)
    with create_engine(settings.sql_url, poolclass=NullPool).connect() as made:
        yield made


def plan(connection: Connection, **filters: Any) -> str:
    nothing = dict.fromkeys(("state", "cause", "level_min", "route", "overdue", "owner"))
    conditions = repository.conditions_for(now=NOW, **{**nothing, **filters})
    page = repository._LIST.where(*conditions, tickets.c.id < 1500).order_by(tickets.c.id.desc()).limit(51)
    statement = page.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    return "\n".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}"))


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "INTEGER PRIMARY KEY"),
        ({"state": "new"}, "ix_tickets_by_state"),
        ({"cause": "C12"}, "ix_tickets_by_cause"),
        ({"cause": "C5a"}, "ix_tickets_by_detail"),
        ({"route": "内控合规部"}, "ix_tickets_by_route"),
        ({"owner": "clerk007"}, "ix_tickets_by_owner"),
        ({"level_min": 3}, "ix_tickets_hot"),
        ({"level_min": 4}, "ix_tickets_hot"),
        ({"overdue": True}, "ix_tickets_running"),
    ],
    ids=str,
)
def test_each_filter_has_its_index(connection: Connection, filters: dict[str, Any], index: str) -> None:
    told = plan(connection, **filters)
    assert index in told
    assert "TEMP B-TREE" not in told


@pytest.mark.parametrize(
    "filters",
    [
        {"state": "new", "cause": "C5", "route": "内控合规部"},
        {"overdue": True, "route": "内控合规部", "level_min": 3},
        {"state": "closed_explained", "level_min": 4},
        {"owner": "clerk007", "state": "investigating"},
    ],
    ids=str,
)
def test_combinations_are_not_sorted(connection: Connection, filters: dict[str, Any]) -> None:
    told = plan(connection, **filters)
    assert "SEARCH tickets USING" in told or "SCAN tickets USING INDEX" in told
    assert "TEMP B-TREE" not in told


def test_what_was_merged_is_not_looked_for_among_all(connection: Connection) -> None:
    asked = "SELECT id FROM tickets WHERE parent_ticket = 'TS2020010100018' AND state = 'merged' ORDER BY id"
    told = "\n".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}"))
    assert "ix_tickets_merged_into" in told


@pytest.mark.only_on("sqlite", reason="PostgreSQL sees to its figures by itself")
async def test_the_planner_gets_fresh_figures_every_night(bridge: Bridge) -> None:
    await bridge.file()
    db = bridge.app.state.context.db
    await db.optimise()
    known = await db.read(lambda connection: connection.exec_driver_sql("SELECT tbl FROM sqlite_stat1").scalars().all())
    assert "tickets" in known
    assert (await bridge.http.get("/v1/tickets", headers=bridge.key())).status_code == 200
