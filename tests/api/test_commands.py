"""Commands in a wrong place: with another key, without one, without the database, with the schema of another version."""

import asyncio
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from api.commands import anonymise, audit_verify, backup, person, reconcile, reindex, rotate_keys
from api.core.settings import Settings
from tests.api.conftest import Bridge, Start
from tests.api.test_privacy import PHONE, closed

COMMANDS: dict[str, Callable[[Settings], int]] = {
    "person-export": lambda settings: person.main(["export", "--reason", "客户书面要求", "--out", "x.zip"], settings),
    "person-delete": lambda settings: person.main(["delete", "--reason", "客户书面要求"], settings),
    "anonymise": lambda settings: anonymise.main([], settings),
    "reindex": lambda settings: reindex.main([], settings),
    "rotate-keys": lambda settings: rotate_keys.main([], settings),
    "audit-verify": lambda settings: audit_verify.main([], settings),
    "reconcile": reconcile.main,
    "backup": lambda settings: backup.main([], settings),
}
AFTER_A_START = COMMANDS.keys() - {"backup"}  # a backup comes before an upgrade


def all_of(directory: Path) -> dict[str, bytes]:
    """SQLite's side files come and go with whoever reads."""
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {path.name: path.read_bytes() for path in paths if not path.name.endswith(("-wal", "-shm", ".lock"))}


async def refused(
    command: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """What it says; it made nothing and changed nothing."""
    monkeypatch.chdir(settings.data_dir)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PHONE}\n删除\n"))
    before, _ = all_of(settings.data_dir), capsys.readouterr()
    assert await asyncio.to_thread(COMMANDS[command], settings) in (1, 2)
    assert all_of(settings.data_dir) == before
    said = "".join(capsys.readouterr())
    assert "没有找到这位客户" not in said
    return said


@pytest.mark.parametrize("command", COMMANDS)
async def test_another_key_is_told(
    bridge: Bridge, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await closed(bridge, phone=PHONE)
    await bridge.stop()
    (bridge.settings.data_dir / "pii-key").write_text("another" * 6)
    assert "另一个密钥" in await refused(command, bridge.settings, monkeypatch, capsys)


@pytest.mark.only_on("sqlite", reason="the key has nothing to do with the kind of database")
@pytest.mark.parametrize("command", COMMANDS)
async def test_no_key_is_made(
    bridge: Bridge, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await bridge.stop()
    (bridge.settings.data_dir / "pii-key").unlink()
    assert "没有新造密钥" in await refused(command, bridge.settings, monkeypatch, capsys)


@pytest.mark.only_on("sqlite", reason="the file is removed")
@pytest.mark.parametrize("command", COMMANDS)
async def test_no_database_is_made(
    start: Start, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bridge = await start()
    await bridge.stop()
    for path in bridge.settings.data_dir.glob("tingsu.sqlite3*"):
        path.unlink()
    assert "没有数据库文件" in await refused(command, bridge.settings, monkeypatch, capsys)


@pytest.mark.parametrize(("revision", "said"), [("0020", "先启动一次"), ("9999", "比这个程序新")])
@pytest.mark.parametrize("command", sorted(AFTER_A_START))
@pytest.mark.only_on("sqlite", reason="one question, the same on both")
async def test_a_schema_of_another_version_is_told(
    bridge: Bridge, command: str, revision: str, said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    version = f"UPDATE alembic_version SET version_num = '{revision}'"  # noqa: S608
    await bridge.app.state.context.db.write(lambda connection: connection.exec_driver_sql(version))
    await bridge.stop()
    assert said in await refused(command, bridge.settings, monkeypatch, capsys)


@pytest.mark.parametrize("command", sorted(AFTER_A_START))
@pytest.mark.only_on("postgresql", reason="a file would be missing")
async def test_an_empty_or_absent_database_is_told(
    bridge: Bridge, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await bridge.stop()
    place = (bridge.settings.database_url or "").rpartition("/")[0]
    for name, said in (("template1", "没有听诉的数据"), ("nowhere", "连不上数据库")):
        elsewhere = bridge.settings.model_copy(update={"database_url": f"{place}/{name}"})
        assert said in await refused(command, elsewhere, monkeypatch, capsys)
