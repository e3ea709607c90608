"""The schema goes up and down with rows in it, on both databases, and ends as the tables in the code."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from api.migrations.run import all_metadata, is_modelled, migrate
from tests.api.postgres import why_not
from tests.api.stores import empty_postgres_database

_BEFORE = {
    "ticket_no": "TS1", "state": "new", "intake_channel": "web", "operator_id": "x", "special_group": "[]",
    "nature": "投诉", "narrative_raw": b"x", "summary": b"x", "cause_l1": "C5", "classified_by": "x", "level": 0,
    "callback_wanted": False, "level_peak": 0, "tags": "[]", "trigger_phrases": b"[]", "script_ids_used": "[]",
    "accepted_explanation": "unasked", "hours_fault": False, "route": "x", "copied": "[]", "restricted": False,
    "clock_basis": "x", "first_contact_basis": "x", "extended_days": 0, "reopened": 0, "repeat_count": 0,
    **dict.fromkeys(("created_at", "updated_at", "due_at", "first_contact_due_at"), "2026-11-25 10:00:00"),
}  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        made = create_engine(f"sqlite:///{tmp_path / 'x.db'}", poolclass=NullPool)
        event.listen(made, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys=ON"))
        yield made
        return
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    with empty_postgres_database(request.getfixturevalue("postgres_server")) as url:
        yield create_engine(url, poolclass=NullPool)


def migrated(engine: Engine, revision: str, move: Callable[..., Any] = command.upgrade) -> None:
    migrate(engine, revision, move)


def insert(connection: Connection, table: str, values: dict[str, Any]) -> None:
    names, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), values)  # noqa: S608


def test_the_whole_draft_goes_up_and_down_with_rows(engine: Engine) -> None:
    migrated(engine, "0002")
    with engine.begin() as connection:
        insert(connection, "tickets", _BEFORE)
        insert(
            connection,
            "ticket_events",
            {
                "ticket_no": "TS1",
                "type": "create",
                "actor": "x",
                "audience": "staff",
                "data": b"{}",
                "created_at": "2026-11-25 10:00:00",
            },
        )
    migrated(engine, "0003")
    with engine.begin() as connection:
        row = connection.execute(text("SELECT * FROM tickets")).one()
        assert (row.anonymous, row.urged_count, row.authorization, row.clock_started_at) == (False, 0, None, None)
        promise = {"ticket_no": "TS1", "kind": "callback", "text": b"x", "made_at": "2026-11-25 10:00:00"}
        insert(connection, "promises", promise)
    migrated(engine, "0002", command.downgrade)
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM ticket_events")).scalar_one() == 1
        assert "promises" not in inspect(connection).get_table_names()
        assert not {"anonymous", "satisfaction"} & {c["name"] for c in inspect(connection).get_columns("tickets")}
    migrated(engine, "0003")


def test_a_long_ask_is_kept_and_dropped_only_on_the_way_down(engine: Engine) -> None:
    migrated(engine, "0003")
    conversation = {
        "id": "c", "channel": "web", "owner": "bot", "last_seq": 1, "customer_seq": 0, "processed_seq": 0, "fence": 0,
        "attempts": 0, "retry_at": 0.0, "noticed": False, "level": 0, "level_peak": 0,
        **dict.fromkeys(("created_at", "updated_at", "consent_at"), "2026-11-25 10:00:00"),
    }  # fmt: skip
    message = {"conversation_id": "c", "seq": 1, "role": "bot", "text": b"x", "asks": "representative_count"}
    with engine.begin() as connection:
        insert(connection, "conversations", conversation)
        insert(connection, "messages", {**message, "created_at": "2026-11-25 10:00:00"})
    migrated(engine, "0002", command.downgrade)
    with engine.begin() as connection:
        kept = connection.execute(text("SELECT asks FROM messages")).scalar_one()
    assert kept == (None if engine.dialect.name == "postgresql" else "representative_count")


def _course(number: str, state: str, *events: str, **values: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    return {**_BEFORE, "ticket_no": number, "state": state, **values}, events


_BEFORE_LIFE, _LIFE = "0006", "0007"
_AT = "2026-11-26 10:00:00"
_ANSWERED = {"accepted_at": _AT, "resolved_at": _AT}
_ENDED = {**_ANSWERED, "closed_at": _AT}


def test_the_states_of_old_tickets_are_told_apart_and_back(engine: Engine) -> None:
    migrated(engine, _BEFORE_LIFE)
    entry = {"actor": "x", "audience": "staff", "data": b"{}", "created_at": _AT}
    with engine.begin() as connection:
        for row, events in (
            _course("TS1", "new", "create"),
            _course("TS2", "accepted", "create", "withdraw", "reopen"),  # and was never accepted
            _course("TS3", "resolved", "create", "accept", "resolve", outcome="退费", **_ANSWERED),
            _course("TS4", "closed", "create", "accept", "resolve", "close", outcome="无依据", **_ENDED),
            _course("TS5", "closed", "create", "accept", "resolve", "close", outcome="道歉", **_ENDED),
            _course("TS6", "withdrawn", "create", "withdraw", withdrawn_at=_AT, closed_at=_AT),
            _course("TS7", "merged", "create", "merge", parent_ticket="TS1", closed_at=_AT),
        ):
            insert(connection, "tickets", row)
            for kind in events:
                insert(connection, "ticket_events", {**entry, "ticket_no": row["ticket_no"], "type": kind})
            told = {"ticket_no": row["ticket_no"], "type": "ticket.x", "state": row["state"], "created_at": _AT}
            insert(connection, "outbox", told)
    migrated(engine, _LIFE)
    by_number = "SELECT state FROM {} ORDER BY ticket_no"
    with engine.begin() as connection:
        found = connection.execute(text("SELECT state, version, accepted_at FROM tickets ORDER BY ticket_no")).all()
        states = ["new", "accepted", "proposed", "closed_explained", "closed_resolved", "withdrawn", "merged"]
        assert [(row.state, row.version) for row in found] == list(zip(states, (1, 3, 3, 4, 4, 2, 2), strict=True))
        assert found[1].accepted_at is not None
        assert list(connection.execute(text(by_number.format("outbox"))).scalars()) == states
        seqs = connection.execute(text("SELECT seq FROM ticket_events ORDER BY id")).scalars()
        assert list(seqs) == [n for row in found for n in range(1, row.version + 1)]
        # A process of the version before goes on filing: it knows neither version nor number.
        insert(connection, "tickets", {**_BEFORE, "ticket_no": "TS8"})
        insert(connection, "ticket_events", {**entry, "ticket_no": "TS8", "type": "create"})
        connection.execute(text("UPDATE tickets SET state = 'investigating' WHERE ticket_no = 'TS2'"))
        over = "UPDATE tickets SET state = 'rejected_not_complaint', closed_at = created_at WHERE ticket_no = 'TS1'"
        connection.execute(text(over))
    for broken in ("state = 'resolved'", "state = 'withdrawn'", "closed_at = created_at"):
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(text(f"UPDATE tickets SET {broken} WHERE ticket_no = 'TS8'"))  # noqa: S608
    migrated(engine, _BEFORE_LIFE, command.downgrade)
    with engine.begin() as connection:
        states = ["closed", "accepted", "resolved", "closed", "closed", "withdrawn", "merged", "new"]
        assert list(connection.execute(text(by_number.format("tickets"))).scalars()) == states
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text("UPDATE tickets SET state = 'proposed'"))
    migrated(engine, _LIFE)
    with engine.begin() as connection:
        states = ["rejected_not_complaint", "accepted", "proposed", "closed_explained", "closed_resolved"]
        assert list(connection.execute(text(by_number.format("tickets"))).scalars())[:5] == states


def test_tickets_of_before_get_their_reach(engine: Engine) -> None:
    migrated(engine, "0007")
    with engine.begin() as connection:
        insert(connection, "tickets", {**_BEFORE, "copied": '["甲", "乙"]'})
    migrated(engine, "head")
    reach = "SELECT who FROM ticket_reach WHERE ticket_id = 1"
    with engine.begin() as connection:
        assert set(connection.execute(text(reach)).scalars()) == {"x", "甲", "乙"}
        connection.execute(text("UPDATE tickets SET owner = 'li', copied = '[\"乙\"]'"))
        assert set(connection.execute(text(reach)).scalars()) == {"x", "乙", "li"}


def test_the_newest_schema_is_the_one_in_the_code(engine: Engine) -> None:
    migrated(engine, "head")
    with engine.begin() as connection:
        # SQLite keeps the length that a column was made with and does not hold to it.
        options = {"compare_type": engine.dialect.name != "sqlite", "include_object": is_modelled}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), all_metadata()) == []


def test_everything_goes_down_again(engine: Engine) -> None:
    migrated(engine, "head")
    migrated(engine, "base", command.downgrade)
    with engine.begin() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
