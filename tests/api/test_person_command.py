"""A person's export and deletion by an operator at night: the same as over HTTP, with the same traces."""

import asyncio
import io
import json
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import select

from api.commands import open_database, person
from api.core.models import audit
from tests.api.conftest import Bridge, Start
from tests.api.test_privacy import PHONE, closed

WHY = "客户书面要求"


async def run(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, *arguments: str, typed: str = "", clock: str | None = None
) -> int:
    """With these lines typed at the questions."""
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    settings = bridge.settings.model_copy(update={"clock": clock} if clock else {})
    return await asyncio.to_thread(person.main, list(arguments), settings)


async def traces(bridge: Bridge) -> list[tuple[str, str]]:
    database = open_database(bridge.settings)
    rows = await database.read(lambda connection: connection.execute(select(audit)).all())
    await database.close()
    return [(row.action, row.reason) for row in rows if row.who.startswith("operator:")]


async def test_an_export_is_for_its_owner_alone_and_noted(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = await closed(bridge, phone=PHONE, name="王小明")
    await bridge.stop()
    out = tmp_path / "给本人.zip"
    assert await run(bridge, monkeypatch, "export", "--out", str(out), typed=f"{WHY}\n{PHONE}\n") == 0
    assert out.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(out) as archive:
        assert [one["ticket_no"] for one in json.loads(archive.read("个人信息.json"))["tickets"]] == [number]
    assert PHONE not in str(capsys.readouterr())
    again = ("export", "--out", str(out), "--ticket", number, "--reason", WHY)
    assert await run(bridge, monkeypatch, *again) == 1
    assert "已经存在" in capsys.readouterr().err
    assert await traces(bridge) == [("person.export", WHY)]


async def test_a_deletion_wants_the_word_and_says_what_is_kept(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = await closed(bridge, phone=PHONE)
    await bridge.stop()
    asked = ("delete", "--ticket", number, "--reason", WHY)
    assert await run(bridge, monkeypatch, *asked, typed="是\n") == 1
    assert "输入“删除”" in capsys.readouterr().err
    assert await run(bridge, monkeypatch, *asked, typed="删除\n") == 0
    assert f"限制使用：{number}（投诉档案保存期未满" in capsys.readouterr().out
    assert await run(bridge, monkeypatch, *asked, typed="删除\n", clock="2031-01-01T10:00:00+08:00") == 0
    assert f"已去除个人信息的工单：{number}" in capsys.readouterr().out
    assert [action for action, _ in await traces(bridge)] == ["person.delete", "ticket.anonymise", "person.delete"]


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (("export", "--reason", WHY), "13700009999\n", "没有找到这位客户"),
        (("export", "--reason", "x"), "13700009999\n", "理由要 2 到 500 个字"),
        (("export",), "", "理由要 2 到 500 个字"),
    ],
    ids=["nobody", "no reason", "no answer"],
)
async def test_what_cannot_be_done_is_said_and_leaves_no_file(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...], typed: str, said: str,
) -> None:  # fmt: skip
    await bridge.stop()
    out = tmp_path / "x.zip"
    assert await run(bridge, monkeypatch, *arguments, "--out", str(out), typed=typed) == 1
    assert said in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.only_on("sqlite", reason="PostgreSQL takes the command's writes beside the server's")
async def test_beside_a_server_sqlite_has_no_second_writer(
    start: Start, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bridge: Bridge = await start()
    assert await run(bridge, monkeypatch, "export", "--ticket", "TS1", "--reason", WHY) == 1
    assert "服务正在运行" in capsys.readouterr().err
