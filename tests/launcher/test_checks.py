"""What stands in the way of a start is one sentence."""

import shutil
import socket
from pathlib import Path

import pytest

from launcher.checks import check_before_start
from launcher.settings import ROOT, StartError, child_environment, read_settings
from tests.running_stack import stack_settings


def test_refuses_a_port_that_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINGSU_PORT", "八千")
    with pytest.raises(StartError, match="TINGSU_PORT"):
        read_settings()


def test_refuses_a_port_in_use(tmp_path: Path) -> None:
    settings = stack_settings(tmp_path)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", settings.ports["actions"]))
        taken.listen()
        with pytest.raises(StartError, match=rf"端口 {settings.ports['actions']}（actions）已被占用"):
            check_before_start(settings)


def test_refuses_a_broken_playbook_file(tmp_path: Path) -> None:
    playbook = Path(shutil.copytree(ROOT / "playbook", tmp_path / "playbook"))
    (playbook / "sla.yml").write_text("clocks: 十五天\n", encoding="utf-8")
    with pytest.raises(StartError, match=r"sla\.yml 第 1 行"):
        check_before_start(stack_settings(tmp_path / "data", TINGSU_PLAYBOOK=str(playbook)))


def test_refuses_a_data_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StartError, match="数据目录"):
        check_before_start(stack_settings(tmp_path / "data"))


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    settings = stack_settings(tmp_path)
    first, second = child_environment(settings), child_environment(settings)
    assert first["TINGSU_INTERNAL_SECRET"] == second["TINGSU_INTERNAL_SECRET"]
    assert (tmp_path / "internal-secret").stat().st_mode & 0o077 == 0


def test_an_own_redis_takes_no_port(tmp_path: Path) -> None:
    settings = stack_settings(tmp_path, REDIS_URL="redis://127.0.0.1:6379/0")
    assert "redis" not in settings.ports
    assert child_environment(settings)["REDIS_URL"] == "redis://127.0.0.1:6379/0"
