"""The audit chain: what is written, what is never written, and that no tampering goes unseen."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, text, update
from structlog.testing import capture_logs

from api.commands import audit_verify
from api.core import audit
from api.core.audit import Anchor, Fault, Proof
from api.core.crypto import Cipher
from api.core.db import Database
from api.core.kept import find_secret
from api.core.keyring import KeyRing
from api.core.models import kept_secrets
from api.core.redaction import mask_for_log
from api.core.sealing import log_anchor, seal_from_the_start
from api.core.security import Role
from api.desk.staff import add
from api.migrations.run import migrate
from api.tickets import repository
from api.tickets.models import tickets
from tests.api.conftest import Bridge, Start
from tests.api.postgres import postgres, why_not

NOW = datetime(2026, 11, 26, 10, tzinfo=UTC)
KEY = b"k" * 32


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'x.sqlite3'}"
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    server = request.getfixturevalue("server")
    name = f"audit{abs(hash(request.node.name)) % 10**12}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}".replace("postgresql:", "postgresql+psycopg:")


@pytest.fixture
async def db(url: str) -> Any:
    database = Database(url, Cipher(lambda: KeyRing({1: KEY}, 1)))
    await asyncio.to_thread(database.migrate, migrate)
    yield database
    await database.close()


def noting(subject: str, **more: Any) -> Callable[[Connection], None]:
    return lambda connection: audit.note(connection, who="li", action="x", subject=subject, now=NOW, **more)


async def proof(db: Database, anchor: Anchor | None = None) -> Proof:
    return await db.read(lambda connection: audit.verify(connection, anchor))


async def filled(db: Database, count: int = 5) -> None:
    await asyncio.gather(*(db.write(noting(f"TS{number}")) for number in range(count)))


async def tamper(db: Database, *statements: str) -> None:
    """As somebody would who owns the database: triggers off, then anything."""

    def work(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            for name in connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            connection.exec_driver_sql("SET session_replication_role = replica")
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount > 0
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET session_replication_role = DEFAULT")

    await db.write(work)


# What is kept


async def test_an_empty_chain_is_whole(db: Database) -> None:
    assert await proof(db) == Proof(0, None, None)


async def test_entries_of_many_at_once_make_one_chain(db: Database) -> None:
    await filled(db, 40)
    found = await proof(db)
    assert (found.count, found.fault) == (40, None)
    assert found.first is not None
    assert found.first.prev_hash == "0" * 64


async def test_what_is_rolled_back_leaves_no_trace_and_no_gap(db: Database) -> None:
    def fails(connection: Connection) -> None:
        noting("TS9")(connection)
        raise ValueError("on purpose")

    jobs = [db.write(fails if number % 2 else noting(f"TS{number}")) for number in range(10)]
    answers = await asyncio.gather(*jobs, return_exceptions=True)
    with pytest.raises(ValueError, match="on purpose"):
        await db.write(fails)
    assert sum(isinstance(answer, ValueError) for answer in answers) == 5
    assert (await proof(db)).count == 5


async def test_a_note_among_reads_is_refused_and_never_turns_up_later(db: Database) -> None:
    with pytest.raises(RuntimeError, match="needs Database"):
        await db.read(noting("TS1"))
    await db.write(noting("TS2"))
    assert (await proof(db)).count == 1


async def test_texts_are_kept_without_personal_numbers(db: Database) -> None:
    changes = {"note": ("卡号6222021234567890128", ["请打13800138000"]), "long": ("", "长" * 2000)}
    await db.write(noting("TS1", changes=changes, reason="客户手机13800138000"))
    last = (await proof(db)).last
    assert last is not None
    assert last.changes["note"] == ["卡号622202*********0128", ["请打138****8000"]]
    assert len(last.changes["long"][1]) < 600
    assert last.reason == "客户手机138****8000"


# What cannot be done


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET who = 'nobody' WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 2",
        "DELETE FROM audit_head",
        "UPDATE audit_head SET seq = seq - 1",
    ],
)
async def test_rows_are_only_added(db: Database, statement: str) -> None:
    await filled(db)
    with pytest.raises(Exception, match="audit is append-only"):
        await db.write(lambda connection: connection.exec_driver_sql(statement))
    assert (await proof(db)).count == 5


SWAP = (
    "UPDATE audit SET seq = 100 WHERE seq = 2",
    "UPDATE audit SET seq = 2 WHERE seq = 3",
    "UPDATE audit SET seq = 3 WHERE seq = 100",
)


@pytest.mark.parametrize(
    ("statements", "fault", "at"),
    [
        (["UPDATE audit SET who = 'lj' WHERE seq = 3"], Fault.CHANGED, 3),
        (["UPDATE audit SET changes = '{\"a\": [1, 2]}' WHERE seq = 1"], Fault.CHANGED, 1),
        (["DELETE FROM audit WHERE seq = 1"], Fault.MISSING, 1),
        (["DELETE FROM audit WHERE seq = 3"], Fault.MISSING, 3),
        (SWAP, Fault.UNLINKED, 2),
        (["DELETE FROM audit WHERE seq = 5"], Fault.CUT, 5),
        (["DELETE FROM audit WHERE seq > 0"], Fault.CUT, 1),
        (["DELETE FROM audit_head"], Fault.SEAL, 0),
        (
            ["DELETE FROM audit WHERE seq = 5", "UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit WHERE seq = 4)"],
            Fault.SEAL,
            4,
        ),
        (["UPDATE audit_head SET seq = 4"], Fault.UNKNOWN, 5),
    ],
    ids=["who", "changes", "first gone", "one gone", "two swapped", "last gone", "all gone", "head gone", "cut with head", "row too many"],
)  # fmt: skip
async def test_tampering_is_found(db: Database, statements: list[str], fault: Fault, at: int) -> None:
    await filled(db)
    await tamper(db, *statements)
    found = await proof(db)
    assert (found.fault, found.at) == (fault, at)


async def test_going_on_after_a_cut_does_not_heal_it(db: Database) -> None:
    await filled(db)
    head = "UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit WHERE seq = 4)"
    await tamper(db, "DELETE FROM audit WHERE seq = 5", head)
    await filled(db, 3)
    assert (await proof(db)).fault is Fault.SEAL


EMPTIED = f"UPDATE audit_head SET seq = 0, hash = '{'0' * 64}', seal = '{'0' * 64}'"  # noqa: S608


async def with_an_account(db: Database) -> None:
    """As at the first start: the first account, and its entry."""

    def first_start(connection: Connection) -> None:
        audit.begin(connection, new=False)
        add(connection, username="admin", role=Role.ADMIN, password="long-enough-1", now=NOW)

    await asyncio.to_thread(db.setup, first_start)
    await filled(db)
    assert (await proof(db)).fault is None


@pytest.mark.parametrize("key", [[], ["DELETE FROM kept_secrets"]], ids=["key kept", "key deleted"])
async def test_a_chain_that_was_emptied_is_found_whatever_follows(db: Database, key: list[str]) -> None:
    await with_an_account(db)
    await tamper(db, "DELETE FROM audit", EMPTIED, *key)
    assert (await proof(db)).fault is Fault.EMPTY
    await filled(db)
    assert (await proof(db)).fault is Fault.SEAL
    await asyncio.to_thread(db.setup, lambda connection: audit.begin(connection, new=False))
    await seal_from_the_start(db)
    await filled(db)
    assert (await proof(db)).fault is Fault.SEAL


async def test_a_chain_sealed_with_no_key_is_none(db: Database) -> None:
    await with_an_account(db)
    seal = audit.first_seal(b"")
    for row in await db.read(lambda connection: connection.execute(text("SELECT hash FROM audit ORDER BY seq")).all()):
        seal = audit.sealed(b"", seal, row.hash)
    await tamper(db, "DELETE FROM kept_secrets", f"UPDATE audit_head SET seal = '{seal}'")  # noqa: S608
    assert (await proof(db)).fault is Fault.SEAL


async def as_before(db: Database) -> None:
    """A chain of the version before: its key has no mark, and it began with the public constant."""
    key = await db.read(lambda connection: find_secret(connection, audit.SECRET))
    assert key is not None
    old, seal = key[:32], "0" * 64
    for row in await db.read(lambda connection: connection.execute(text("SELECT hash FROM audit ORDER BY seq")).all()):
        seal = audit.sealed(old, seal, row.hash)
    await tamper(db, f"UPDATE audit_head SET seal = '{seal}'")  # noqa: S608
    await db.write(lambda connection: connection.execute(update(kept_secrets).values(value=old)))
    assert (await proof(db)).fault is None


async def test_a_chain_of_before_is_sealed_by_its_key_once(db: Database) -> None:
    await with_an_account(db)
    await as_before(db)
    await seal_from_the_start(db)
    found = await proof(db)
    assert found.last is not None
    assert (found.count, found.fault, found.last.action) == (7, None, "audit.seal")
    await seal_from_the_start(db)
    await filled(db)
    assert ((await proof(db)).count, (await proof(db)).fault) == (12, None)
    await tamper(db, "DELETE FROM audit", EMPTIED)
    await filled(db)
    assert (await proof(db)).fault is Fault.SEAL


async def test_sealing_among_many_who_write_loses_and_breaks_nothing(db: Database) -> None:
    """Each reads the key first, as a change of a personal field does, and chains with it later."""

    def changes(connection: Connection) -> None:
        found = audit.changes_of(connection, tickets, {}, {"name": "王小明"})
        time.sleep(0.01)
        noting("TS1", changes=found)(connection)

    await with_an_account(db)
    await as_before(db)
    await asyncio.gather(*(db.write(changes) for _ in range(20)), seal_from_the_start(db), seal_from_the_start(db))
    found = await proof(db)
    assert (found.count, found.fault) == (27, None)


async def test_a_broken_chain_of_before_is_not_made_whole(db: Database) -> None:
    await with_an_account(db)
    await as_before(db)
    await tamper(db, "UPDATE audit SET who = 'lj' WHERE seq = 3")
    await seal_from_the_start(db)
    found = await proof(db)
    assert (found.fault, found.at) == (Fault.CHANGED, 3)


async def test_the_anchor_is_logged(db: Database) -> None:
    await filled(db)
    last = (await proof(db)).last
    assert last is not None
    with capture_logs() as logged:
        await log_anchor(db)
    [anchor] = [one["anchor"] for one in logged]
    assert mask_for_log(anchor) == anchor
    assert Anchor.read(anchor) == Anchor.read(f"5:{last.hash}") == Anchor(5, last.hash)


async def test_a_seal_by_another_key_is_none(db: Database) -> None:
    await filled(db)
    await tamper(db, "DELETE FROM kept_secrets")
    assert (await proof(db)).fault is Fault.SEAL
    await filled(db)
    assert (await proof(db)).fault is Fault.SEAL


async def test_the_key_made_in_what_is_rolled_back_is_not_used_again(db: Database) -> None:
    def fails(connection: Connection) -> None:
        audit.changes_of(connection, tickets, {}, {"name": "王小明"})
        raise ValueError("on purpose")

    await asyncio.gather(db.write(fails), db.write(noting("TS1")), return_exceptions=True)
    await filled(db)
    found = await proof(db)
    assert (found.count, found.fault) == (6, None)


async def test_an_older_state_of_all_is_found_by_an_anchor_only(db: Database) -> None:
    await filled(db)
    last = (await proof(db)).last
    assert last is not None
    assert (await proof(db, Anchor(5, last.hash))).fault is None
    assert (await proof(db, Anchor(6, "f" * 64))).fault is Fault.CUT
    assert (await proof(db, Anchor(4, "f" * 64))).fault is Fault.ANCHOR


# The command


@pytest.mark.only_on("sqlite", reason="the file is changed behind the server's back")
async def test_the_command_proves_and_exits(bridge: Bridge, capsys: pytest.CaptureFixture[str]) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key("handler"))
    assert await asyncio.to_thread(audit_verify.main, [], bridge.settings) == 0
    out = capsys.readouterr().out
    assert f"核对无误的审计记录：{2 + len(await entries(bridge, at_start=True))} 条" in out
    assert "审计链完整。" in out
    anchor = next(line for line in out.splitlines() if line.startswith("锚点："))[3:].partition("（")[0]
    await bridge.stop()
    with closing(sqlite3.connect(bridge.settings.data_dir / "tingsu.sqlite3")) as raw:
        raw.executescript("DROP TRIGGER audit_no_update; UPDATE audit SET who = 'key:bat' WHERE seq = 1")
    assert await asyncio.to_thread(audit_verify.main, ["--anchor", anchor], bridge.settings) == 1
    assert "第 1 条的内容被改过" in capsys.readouterr().out


@pytest.mark.only_on("sqlite", reason="the file is removed")
async def test_the_command_without_a_database_says_so(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    bridge = await start()
    await bridge.stop()
    (bridge.settings.data_dir / "tingsu.sqlite3").unlink()
    assert await asyncio.to_thread(audit_verify.main, [], bridge.settings) == 2
    assert "读不到审计记录" in capsys.readouterr().err


# Tickets


async def entries(bridge: Bridge, *, at_start: bool = False) -> list[dict[str, Any]]:
    """What happened since the start, or at it (the first account, the playbook's branches)."""

    def read(connection: Connection) -> list[dict[str, Any]]:
        columns = "seq, who, action, subject, CAST(fields AS text) AS fields, CAST(changes AS text) AS changes"
        return [row._asdict() for row in connection.execute(text(f"SELECT {columns} FROM audit ORDER BY seq"))]  # noqa: S608

    found = await bridge.app.state.context.db.read(read)
    return [entry for entry in found if (entry["who"] in ("settings", "playbook")) is at_start]


async def test_a_ticket_leaves_field_level_traces_without_personal_data(bridge: Bridge) -> None:
    number = (await bridge.file(name="王小明", phone="13800138000")).json()["ticket_no"]
    fields = {"name": "李四", "phone": "13900139000", "branch_name": "城东支行", "amount": "20.00"}
    event = {"type": "correct", "fields": fields}
    answer = await bridge.http.post(f"/v1/tickets/{number}/events", json=event, headers=bridge.key("supervisor"))
    assert answer.status_code == 201, answer.text
    await bridge.http.get("/v1/tickets", params={"q": "13900139000"}, headers=bridge.key("agent"))
    await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key("handler"))
    await bridge.http.get("/v1/tickets/export", headers=bridge.key("auditor"))
    created, corrected, listed, read, exported = await entries(bridge)
    assert (created["who"], created["action"], created["subject"]) == ("bot", "ticket.create", number)
    assert '"phone": [null, "138****8000"]' in created["changes"]
    assert (corrected["who"], corrected["action"]) == ("key:supervisor", "ticket.correct")
    assert '"phone": ["138****8000", "139****9000"]' in corrected["changes"]
    assert '"amount": [null, "20.00"]' in corrected["changes"]
    assert (listed["who"], listed["action"]) == ("key:agent", "ticket.list")
    assert number in listed["changes"]
    assert '"by_phone": [null, true]' in listed["changes"]
    assert (read["who"], read["action"], read["subject"]) == ("key:handler", "ticket.read", number)
    assert '"narrative_raw"' in read["fields"]
    assert (exported["who"], exported["action"]) == ("key:auditor", "ticket.export")
    everything = str([created, corrected, listed, read, exported])
    for secret in ("王小明", "李四", "城东", "13800138000", "13900139000", "柜员"):
        assert secret not in everything
        assert secret.encode("ascii", "backslashreplace").decode() not in everything


@pytest.mark.only_on(
    "sqlite", reason="three jobs of one writer; on PostgreSQL a change is preceded by a lock of its row"
)
async def test_a_change_without_an_entry_of_the_thread_is_chained_too(bridge: Bridge) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    db = bridge.app.state.context.db
    await asyncio.gather(*(db.write(lambda c: repository.change(c, number, {"owner": "王五"})) for _ in range(3)))
    _, changed = await entries(bridge)
    assert (changed["who"], changed["action"], changed["subject"]) == ("system", "system.change", number)
    assert changed["changes"] == json.dumps({"owner": [None, "王五"]})


async def test_a_refused_event_leaves_no_trace(bridge: Bridge) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    refused = await bridge.http.post(
        f"/v1/tickets/{number}/events", json={"type": "close"}, headers=bridge.key("supervisor")
    )
    assert refused.status_code == 409
    assert [entry["action"] for entry in await entries(bridge)] == ["ticket.create"]


async def test_readings_of_the_version_before_are_chained_at_the_next_start(start: Start) -> None:
    first = await start()
    old = "INSERT INTO read_audit (who, ticket_no, what, created_at) VALUES ('li', 'TS1', 'detail', '2026-11-01 01:00:00')"
    await first.app.state.context.db.write(lambda connection: connection.exec_driver_sql(old))
    await first.stop()
    second = await start()
    kept = [(entry["who"], entry["action"], entry["subject"]) for entry in await entries(second)]
    assert kept == [("li", "ticket.read", "TS1")]
    await second.stop()
    assert [entry["subject"] for entry in await entries(await start())] == ["TS1"]
