"""A backup that was never restored is none: what is read back is what was there, on both databases."""

import asyncio
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from sqlalchemy import Connection, create_engine, select
from sqlalchemy.pool import NullPool

from api.commands import backup, dumps, open_database, renumber, restore
from api.commands.archive import MANIFEST
from api.core import audit
from api.core.models import audit as audits
from api.core.settings import Settings
from api.migrations.run import all_metadata, migrate
from tests.api.conftest import Bridge, Start
from tests.api.stores import Store, empty_postgres_database
from tests.api.test_handoff_pull import pulled
from tests.api.test_search import found
from tests.api.test_ticket_events import done
from tests.api.test_tickets import filed, read
from tests.api.test_webhooks import comment

SEALED = f"evidence/ab/cd/abcd{'0' * 60}"


@pytest.fixture
def elsewhere(bridge: Bridge, store: Store, tmp_path: Path) -> Iterator[Settings]:
    """A new machine: an empty data directory with the keys brought along, and an empty database."""
    data_dir = tmp_path / "elsewhere"
    data_dir.mkdir()
    shutil.copy(bridge.settings.data_dir / "pii-key", data_dir)
    settings = bridge.settings.model_copy(update={"data_dir": data_dir})
    if store.server is None:
        yield settings
        return
    with empty_postgres_database(store.server) as url:
        yield settings.model_copy(update={"database_url": url})


async def backed_up(bridge: Bridge) -> Path:
    assert await asyncio.to_thread(backup.main, [], bridge.settings) == 0
    return max((bridge.settings.data_dir / "backups").glob("*.tar"), key=lambda path: path.stat().st_mtime_ns)


async def restored(file: Path, settings: Settings, *more: str) -> int:
    return await asyncio.to_thread(restore.main, [str(file), *more], settings)


async def started(start: Start, settings: Settings) -> Bridge:
    bridge: Bridge = await start(data_dir=settings.data_dir, database_url=settings.database_url)
    return bridge


async def contents(settings: Settings) -> dict[str, tuple[int, str]]:
    """Rows and their hash of every table, as read through the keys."""

    def read(connection: Connection) -> dict[str, tuple[int, str]]:
        told = {}
        for table in all_metadata().sorted_tables:
            if table.name in ("jobs", "staff_sessions"):
                continue
            rows = sorted(repr(tuple(row)) for row in connection.execute(select(table)))
            told[table.name] = (len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest())
        return told

    database = open_database(settings)
    try:
        return await database.read(read)
    finally:
        await database.close()


async def some_life(bridge: Bridge) -> str:
    talk = await bridge.talk()
    await talk.answered(await talk.say("理财经理没有告诉我会亏本"))
    number = str(
        (await bridge.file(narrative_raw="理财经理没有告诉我会亏本", conversation_id=talk.id)).json()["ticket_no"]
    )
    event = {"type": "comment", "text": "已调取监控录像"}
    await bridge.http.post(f"/v1/tickets/{number}/events", json=event, headers=bridge.key())
    await pulled(bridge, 2)  # the relay has numbered both: nothing moves any more
    return number


async def whole_chain(settings: Settings) -> int:
    database = open_database(settings)
    try:
        proof = await database.read(audit.verify)
    finally:
        await database.close()
    assert proof.fault is None
    return proof.count


# Refused


async def test_a_broken_off_backup_is_none(bridge: Bridge, elsewhere: Settings, capsys: Any) -> None:
    file = await backed_up(bridge)
    file.write_bytes(file.read_bytes()[:-20_000])
    assert await restored(file, elsewhere) == 1
    assert "不是完整的听诉备份" in capsys.readouterr().err
    assert await restored(file.with_name("nothing.tar"), elsewhere) == 1
    assert "没有这个文件" in capsys.readouterr().err


def changed(file: Path, change: Any) -> Path:
    """The same archive with other contents; `change` gets name and bytes of each member."""
    other = file.with_name("changed.tar")
    with tarfile.open(file) as old, tarfile.open(other, "w") as new:
        for member in old:
            source = old.extractfile(member)
            assert source is not None
            content = change(member.name, source.read())
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return other


def manifest_with(**values: Any) -> Any:
    return lambda name, content: json.dumps({**json.loads(content), **values}).encode() if name == MANIFEST else content


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda name, content: content if name == MANIFEST else content[:-1] + b"x", "校验和不符"),
        (manifest_with(revision="9999"), "先升级程序"),
        (manifest_with(format=9), "格式比这个程序新"),
        (manifest_with(keys={"1": "0" * 16}), "不是做备份时的那一把"),
        (manifest_with(keys={"1": "0" * 16, "2": "0" * 16}), "没有备份所用的 2 号密钥"),
        (manifest_with(files={}), "清单以外的内容"),
    ],
    ids=["damaged", "newer schema", "newer format", "wrong key", "missing key", "smuggled"],
)
async def test_what_does_not_fit_is_refused(
    bridge: Bridge, elsewhere: Settings, capsys: Any, change: Any, why: str
) -> None:
    await some_life(bridge)
    file = changed(await backed_up(bridge), change)
    assert await restored(file, elsewhere) == 1
    assert why in capsys.readouterr().err
    assert not (elsewhere.data_dir / "tingsu.sqlite3").exists()


async def test_without_the_key_nothing_is_restored_and_none_is_made(
    bridge: Bridge, elsewhere: Settings, capsys: Any
) -> None:
    file = await backed_up(bridge)
    (elsewhere.data_dir / "pii-key").unlink()
    assert await restored(file, elsewhere) == 1
    assert "先把密钥文件放回" in capsys.readouterr().err
    assert not (elsewhere.data_dir / "pii-key").exists()


@pytest.mark.only_on("sqlite", reason="one direction says it")
async def test_the_other_kind_is_refused(bridge: Bridge, elsewhere: Settings, capsys: Any) -> None:
    file = await backed_up(bridge)
    other = elsewhere.model_copy(update={"database_url": "postgresql://tingsu@127.0.0.1:1/x"})
    assert await restored(file, other) == 1
    assert "备份是 SQLite 的" in capsys.readouterr().err


async def test_nothing_is_restored_under_a_running_server(bridge: Bridge, capsys: Any) -> None:
    file = await backed_up(bridge)
    assert await restored(file, bridge.settings, "--force") == 1
    assert "先停止服务" in capsys.readouterr().err


@pytest.mark.only_on("postgresql", reason="a server on another machine has another data directory")
async def test_nor_under_one_elsewhere(bridge: Bridge, tmp_path: Path, capsys: Any) -> None:
    file = await backed_up(bridge)
    here = bridge.settings.model_copy(update={"data_dir": tmp_path / "here"})
    shutil.copytree(bridge.settings.data_dir, here.data_dir)
    assert await restored(file, here, "--force") == 1
    assert "先停止所有服务进程" in capsys.readouterr().err


async def test_data_is_only_replaced_by_force(bridge: Bridge, start: Start, capsys: Any) -> None:
    number = await some_life(bridge)
    file = await backed_up(bridge)
    later = (await bridge.file(phone="13700000001")).json()["ticket_no"]
    await bridge.stop()
    assert await restored(file, bridge.settings) == 1
    assert "FORCE=1" in capsys.readouterr().err
    assert later in str(await numbers(bridge.settings))
    assert await restored(file, bridge.settings, "--force") == 0
    assert await numbers(bridge.settings) == {number}
    if bridge.app.state.context.db.is_sqlite:
        assert list(bridge.settings.data_dir.glob("tingsu.sqlite3.before-*"))
    assert await found(await start(), "亏本") == [number]


@pytest.mark.only_on("postgresql", reason="SQLite's file is renamed")
@pytest.mark.parametrize("fails_at", ["--list", "--single-transaction"])
async def test_a_restore_that_fails_puts_back_what_was_there(
    bridge: Bridge, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, fails_at: str
) -> None:
    """As a pg_restore that is older than the dump, or a disk that is full when half of it is there."""
    number = await some_life(bridge)
    file = await backed_up(bridge)
    await bridge.stop()
    before = await contents(bridge.settings)
    program = tmp_path / "bin" / "pg_restore"
    program.parent.mkdir()
    real = dumps._program("pg_restore")
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *{fails_at}*) echo "no space left" >&2; exit 1;; esac\nexec {real} "$@"\n'
    )
    program.chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        assert await restored(file, bridge.settings, "--force") == 1
    told = capsys.readouterr().err
    assert "no space left" in told
    assert ("什么也没有改动" if fails_at == "--list" else "已经放回原处") in told
    assert await contents(bridge.settings) == before
    assert await found(await start(), "亏本") == [number]


@pytest.mark.only_on("postgresql", reason="SQLite's file is renamed")
async def test_what_was_replaced_is_kept_beside_and_not_backed_up(bridge: Bridge, start: Start, capsys: Any) -> None:
    number = await some_life(bridge)
    file = await backed_up(bridge)
    later = (await bridge.file(phone="13700000001")).json()["ticket_no"]
    await bridge.stop()
    assert await restored(file, bridge.settings, "--force") == 0
    aside = re.search(r"DROP SCHEMA (public_before_\w+) CASCADE", capsys.readouterr().out)
    assert aside
    with psycopg.connect(bridge.settings.database_url or "") as connection:
        kept = connection.execute(f"SELECT ticket_no FROM {aside[1]}.tickets").fetchall()  # noqa: S608
    assert {row[0] for row in kept} == {number, later}
    again = await start()
    second = await backed_up(again)
    await again.stop()
    assert await restored(second, again.settings, "--force") == 0
    assert await numbers(again.settings) == {number}


async def test_what_was_given_out_after_the_backup_is_not_given_out_again(
    bridge: Bridge, start: Start, capsys: Any
) -> None:
    number = await some_life(bridge)
    file = await backed_up(bridge)
    lost = (await bridge.file(phone="13700000001")).json()["ticket_no"]
    await comment(bridge, number, "备份之后")
    page = await pulled(bridge, 4)
    await bridge.stop()
    assert await restored(file, bridge.settings, "--force") == 0
    again = await start()
    # Whoever had everything waits for what comes, and gets it.
    assert (await pulled(again, 0, page["cursor"]))["events"] == []
    fresh = (await again.file(phone="13700000002")).json()["ticket_no"]
    await comment(again, number, "恢复之后")
    events = (await pulled(again, 2, page["cursor"]))["events"]
    assert fresh != lost
    assert [event["data"]["ticket_no"] for event in events] == [fresh, number]
    assert not {event["id"] for event in events} & {event["id"] for event in page["events"]}
    assert events[1]["data"]["version"] > max(event["data"]["version"] for event in page["events"])
    db = again.app.state.context.db
    (note,) = await db.read(
        lambda connection: connection.execute(select(audits).where(audits.c.action == "database.renumber")).all()
    )
    assert note.reason.startswith("restore 20")
    assert await whole_chain(again.settings) > 0


async def test_a_backup_of_an_older_schema_is_upgraded_before_anybody_serves(
    bridge: Bridge, start: Start, capsys: Any
) -> None:
    number = await some_life(bridge)
    await bridge.stop()
    migrate(create_engine(bridge.settings.sql_url, poolclass=NullPool), "0020", command.downgrade)
    file = await backed_up(bridge)
    assert await restored(file, bridge.settings, "--force") == 0, capsys.readouterr().err
    assert await numbers(bridge.settings) == {number}
    fresh = (await (await start()).file(phone="13700000002")).json()["ticket_no"]
    assert int(fresh[10:-1]) > 10_000


async def test_a_database_that_was_taken_back_otherwise_is_set_apart_by_hand(
    bridge: Bridge, start: Start, capsys: Any
) -> None:
    number = await some_life(bridge)
    merged = await filed(bridge, phone="13700000009")
    await done(bridge, merged, "merge", into=number)
    length = len((await read(bridge, merged))["events"])
    assert await asyncio.to_thread(renumber.main, [], bridge.settings) == 1
    assert "先停止服务" in capsys.readouterr().err
    await bridge.stop()
    assert await asyncio.to_thread(renumber.main, [], bridge.settings) == 0
    again = await start()
    await comment(again, number, "之后")
    assert int((await pulled(again, 3))["cursor"]) > 1_000_000
    parent = await read(again, number)
    assert [one["entries"] for one in parent["merged_from"]] == [length], "what is skipped is no entry"


async def numbers(settings: Settings) -> set[str]:
    tickets = all_metadata().tables["tickets"]
    database = open_database(settings)
    try:
        return await database.read(lambda connection: set(connection.scalars(select(tickets.c.ticket_no))))
    finally:
        await database.close()


# Restored


async def test_everything_is_back(bridge: Bridge, start: Start, elsewhere: Settings, capsys: Any) -> None:
    number = await some_life(bridge)
    evidence = bridge.settings.data_dir / SEALED
    evidence.parent.mkdir(parents=True)
    evidence.write_bytes(b"sealed")
    file = await backed_up(bridge)
    assert "密钥不在备份里" in capsys.readouterr().out
    assert file.stat().st_mode & 0o777 == 0o600
    await bridge.stop()
    before = await contents(bridge.settings)
    assert await restored(file, elsewhere) == 0
    after = await contents(elsewhere)
    # Numbers go on after a gap, and the chain says so.
    assert {name for name in before if after[name] != before[name]} == {"audit", "audit_head", "counters", "tickets"}
    assert after["audit"][0] == before["audit"][0] + 1
    assert (elsewhere.data_dir / SEALED).read_bytes() == b"sealed"
    assert await whole_chain(elsewhere) == after["audit"][0]
    again = await started(start, elsewhere)
    ticket = (await again.http.get(f"/v1/tickets/{number}", headers=again.key())).json()
    assert (ticket["narrative_raw"], ticket["phone"]) == ("理财经理没有告诉我会亏本", "13800138000")
    assert await found(again, "监控") == [number]
    assert (await again.file(phone="13700000001")).status_code == 201


async def test_no_key_and_no_word_is_in_it(bridge: Bridge) -> None:
    await some_life(bridge)
    raw = (await backed_up(bridge)).read_bytes()
    for secret in ("13800138000", "理财经理", (bridge.settings.data_dir / "pii-key").read_text().strip()):
        assert secret.encode() not in raw


@pytest.mark.only_on("sqlite", reason="files lie on the same disk with either database")
async def test_what_somebody_is_uploading_is_not_in_it(bridge: Bridge) -> None:
    """It is plain text until it is sealed, and the workplace of uploads lies beside what is."""
    vault = bridge.app.state.evidence.receiving.vault
    with vault.workplace() as place:
        (place / "sent").write_bytes(b"PLAIN")
        kept = await asyncio.to_thread(vault.keep, Path(shutil.copy(place / "sent", place / "other")))
        file = await backed_up(bridge)
    with tarfile.open(file) as archive:
        names = archive.getnames()
    assert [name for name in names if name.startswith("evidence/")] == [
        f"evidence/{kept.address[:2]}/{kept.address[2:4]}/{kept.address}"
    ]
    assert b"PLAIN" not in file.read_bytes()


async def test_what_was_acknowledged_before_is_in_it_while_filing_goes_on(bridge: Bridge, elsewhere: Settings) -> None:
    acknowledged: list[str] = []
    done = asyncio.Event()

    async def file_on(lane: int) -> None:
        while not done.is_set():
            answer = await bridge.file(
                phone=f"138{lane}{len(acknowledged):07}", narrative_raw=f"第{len(acknowledged)}件"
            )
            assert answer.status_code in (200, 201)
            acknowledged.append(answer.json()["ticket_no"])

    lanes = [asyncio.create_task(file_on(lane)) for lane in range(6)]
    while len(acknowledged) < 20:  # noqa: ASYNC110 - filled by six tasks
        await asyncio.sleep(0.01)
    before = set(acknowledged)
    file = await backed_up(bridge)
    assert set(acknowledged) > before  # nobody was kept waiting until the backup was done
    done.set()
    await asyncio.gather(*lanes)
    assert await restored(file, elsewhere) == 0
    assert before <= await numbers(elsewhere)
    assert await whole_chain(elsewhere) > 0


async def test_a_broken_off_command_leaves_no_backup(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("api.commands.archive.Writer.add", full)
    assert await asyncio.to_thread(backup.main, [], bridge.settings) == 1
    assert list((bridge.settings.data_dir / "backups").iterdir()) == []


def test_without_a_database_there_is_nothing_to_back_up(tmp_path: Path, capsys: Any) -> None:
    Settings(data_dir=tmp_path, _env_file=None).key_ring()
    assert backup.main([], Settings(data_dir=tmp_path, _env_file=None)) == 1
    assert "没有数据库文件" in capsys.readouterr().err


def test_the_password_is_not_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "pg_dump"
    program.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\necho "$PGPASSWORD $PGHOST $PGUSER" > {tmp_path}/told\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    settings = Settings(database_url="postgresql://li:geheim@db.example/tingsu", data_dir=tmp_path, _env_file=None)
    dumps.dump_postgresql(settings, tmp_path / "out", "1-1")
    assert "geheim" not in (tmp_path / "arguments").read_text()
    assert (tmp_path / "told").read_text().split() == ["geheim", "db.example", "li"]
