"""The branch directory follows the bridge's version, and never keeps a customer waiting for it."""

import io
import logging
from collections.abc import AsyncIterator
from typing import Any, Dict, List

import pytest
from aiohttp import ClientTimeout, web

from bot.channels import branches
from bot.channels.branches import refresh_branches
from tests.bot.conftest import SECRET, Conversation


class Directory:
    """Stands in for the holder that the entity component reads."""

    version = 3

    def __init__(self) -> None:
        self.replaced: List[Any] = []

    def replace(self, found: Any, version: int) -> None:
        self.replaced.append((found, version))
        self.version = version


class Bridge:
    """Answers `GET /internal/branches` with what a test wants."""

    def __init__(self) -> None:
        self.asked: List[str] = []
        self.answer: Any = {"version": 4, "branches": [{"code": "B1", "name": "城东支行"}]}
        self.status = 200

    async def serve(self, request: web.Request) -> web.Response:
        self.asked.append(request.headers.get("Authorization", ""))
        if self.answer is None:
            return web.Response(text="<html>", status=self.status)
        return web.json_response(self.answer, status=self.status)


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Directory:
    it = Directory()
    monkeypatch.setattr(branches, "directory", it)
    return it


@pytest.fixture
async def bridge(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bridge]:
    it, app = Bridge(), web.Application()
    app.router.add_get("/internal/branches", it.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("TINGSU_API_URL", f"http://127.0.0.1:{runner.addresses[0][1]}")
    yield it
    await runner.cleanup()


async def test_a_newer_version_is_fetched_once(directory: Directory, bridge: Bridge) -> None:
    await refresh_branches(4)
    await refresh_branches(4)

    assert bridge.asked == [f"Bearer {SECRET}"]
    assert directory.replaced == [([{"code": "B1", "name": "城东支行"}], 4)]


@pytest.mark.parametrize("version", [0, 2, 3])
async def test_an_old_version_is_not(directory: Directory, bridge: Bridge, version: int) -> None:
    await refresh_branches(version)

    assert bridge.asked == []


@pytest.mark.parametrize(
    ("status", "answer"),
    [(500, {}), (401, {}), (200, None), (200, {}), (200, []), (200, {"version": 4}), (200, {"branches": []})],
)
async def test_a_useless_answer_leaves_the_old_directory(
    directory: Directory, bridge: Bridge, status: int, answer: Any
) -> None:
    bridge.status, bridge.answer = status, answer

    await refresh_branches(4)

    assert directory.version == 3
    assert directory.replaced == []


async def test_a_bridge_that_is_not_there_leaves_the_old_directory(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINGSU_API_URL", "http://127.0.0.1:9")
    handler = logging.StreamHandler(log := io.StringIO())
    logging.getLogger("bot.channels.branches").addHandler(handler)

    await refresh_branches(4)

    logging.getLogger("bot.channels.branches").removeHandler(handler)
    assert directory.replaced == []
    assert "not refreshed: ClientConnectorError" in log.getvalue()


async def test_a_bot_without_a_bridge_asks_nobody(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINGSU_API_URL", raising=False)

    await refresh_branches(4)

    assert directory.replaced == []


async def test_a_changed_branch_holds_for_the_next_message(
    directory: Directory, bridge: Bridge, conversation: Conversation
) -> None:
    found: Dict[str, Any] = (await conversation.say("greet | 您好", branches_version=4)).body

    assert found["messages"]
    assert directory.version == 4


def test_the_wait_is_shorter_than_a_turn() -> None:
    timeout: ClientTimeout = branches._TIMEOUT

    assert timeout.total is not None
    assert timeout.total <= 2
