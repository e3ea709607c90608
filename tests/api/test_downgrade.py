"""The way back: an older schema, and up again at the next start, with everything that both know."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command

from api.commands import downgrade, dumps
from tests.api.conftest import Bridge, Start


async def gone_back(bridge: Bridge, to: str) -> int:
    return await asyncio.to_thread(downgrade.main, [to], bridge.settings)


async def test_not_under_a_running_server(bridge: Bridge, capsys: Any) -> None:
    assert await gone_back(bridge, "0020") == 1
    assert "先停止服务" in capsys.readouterr().err


@pytest.mark.parametrize("to", ["9999", "head", "-1x"])
async def test_only_back_to_an_older_one(bridge: Bridge, capsys: Any, to: str) -> None:
    await bridge.stop()
    assert await asyncio.to_thread(downgrade.main, ["--", to], bridge.settings) == 1
    assert "只能退到比它小的版本" in capsys.readouterr().err


async def test_back_and_up_again(bridge: Bridge, start: Start) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    await bridge.stop()
    assert await gone_back(bridge, "0017") == 0
    again = await start()
    ticket = await again.http.get(f"/v1/tickets/{number}", headers=again.key())
    assert ticket.json()["narrative_raw"] == "柜员说交班让我等"
    assert (await again.file(phone="13700000001")).status_code == 201


@pytest.mark.only_on("sqlite", reason="PostgreSQL never holds such a row")
async def test_what_points_to_nothing_is_not_taken_back(bridge: Bridge, capsys: Any) -> None:
    """As after an edit by hand. All or nothing: no table has changed."""
    await bridge.file()
    await bridge.stop()
    with closing(sqlite3.connect(dumps.sqlite_file(bridge.settings))) as file:
        file.execute("UPDATE ticket_events SET ticket_no = 'TS1'")
        file.commit()
        before = file.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        assert await gone_back(bridge, "0017") == 1
        refused = capsys.readouterr().err
        assert file.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall() == before
        assert file.execute("SELECT version_num FROM alembic_version").fetchone()[0] > "0017"
        assert "ticket_events" in refused
        assert "没有退回" in refused
        file.execute("UPDATE ticket_events SET ticket_no = (SELECT ticket_no FROM tickets)")
        file.commit()
    assert await gone_back(bridge, "0017") == 0


@pytest.mark.only_on("sqlite", reason="PostgreSQL goes step by step")
async def test_a_step_that_fails_leaves_everything_as_it_was(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    await bridge.stop()

    def broken(config: Any, revision: str) -> None:
        command.downgrade(config, revision)
        raise OSError("disk full")

    monkeypatch.setattr(downgrade, "_back", broken)
    with closing(sqlite3.connect(dumps.sqlite_file(bridge.settings))) as file:
        before = file.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        assert await gone_back(bridge, "0017") == 1
        assert "没有退回" in capsys.readouterr().err
        assert file.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall() == before


async def test_without_a_database_none_is_made(bridge: Bridge, tmp_path: Path, capsys: Any) -> None:
    settings = bridge.settings.model_copy(update={"data_dir": tmp_path, "database_url": None})
    assert await asyncio.to_thread(downgrade.main, ["0017"], settings) == 1
    assert "没有数据库文件" in capsys.readouterr().err
    assert not dumps.sqlite_file(settings).exists()
