"""docs/examples/pull.py and stream_consumer.py as they stand, as processes, killed in the middle."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as client

from tests.api.conftest import KEYS, ROOT, Bridge, Start
from tests.api.receiver import eventually
from tests.api.redis_server import RedisServer
from tests.api.test_webhooks import comment, filed


class Programs:
    """Examples that run; all are killed at the end."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "events.sqlite3"
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        program = [sys.executable, str(ROOT / "docs/examples" / name), *arguments, str(self.path)]
        process = subprocess.Popen(program, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
        self._processes.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in self._processes:
            self.kill(process)

    def rows(self) -> list[Any]:
        try:
            connection = sqlite3.connect(self.path, timeout=10)
            found = connection.execute("SELECT id, version, body FROM events ORDER BY rowid").fetchall()
            connection.close()
        except sqlite3.OperationalError:
            return []
        return found

    async def has(self, count: int) -> list[Any]:
        async def enough() -> list[Any] | None:
            return found if len(found := self.rows()) >= count else None

        found: list[Any] = await eventually(enough, 25)
        return found


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    found = Programs(tmp_path)
    yield found
    found.stop()


async def test_the_pull_loop_has_everything_once_however_often_it_is_killed(bridge: Bridge, programs: Programs) -> None:
    settings = {"TINGSU_URL": bridge.url, "TINGSU_API_KEY": KEYS["admin"]}
    process = programs.start("pull.py", **settings)
    numbers: list[str] = []
    for round_ in range(3):
        numbers += await filed(bridge, *range(round_ * 10, round_ * 10 + 4))
        await programs.has(len(numbers) - 3)
        programs.kill(process)
        process = programs.start("pull.py", **settings)
    await comment(bridge, numbers[0], "一")
    rows = await programs.has(len(numbers) + 1)
    assert [row[0] for row in rows] == [*(f"evt_{number}_1" for number in numbers), f"evt_{numbers[0]}_2"]
    assert json.loads(rows[-1][2])["data"]["event"]["data"] == {"text": "一"}


class Restarting(threading.Thread):
    """A tingsu that goes away in the middle of each answer: before it, within its head, within its body; and one that refuses."""

    BODY = b'{"events": [], "cursor": "7", "more": false}'
    HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    GONE = b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n{}"

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.asked: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def run(self) -> None:
        answers = (b"", self.HEAD[:20], self.HEAD + self.BODY[:9], self.HEAD + b"x" * len(self.BODY))
        for answer in (*answers, self.HEAD + self.BODY, self.GONE, self.HEAD + self.BODY):
            connection, _ = self._socket.accept()
            with connection:
                self.asked.append(connection.recv(4000).decode().split()[1])
                connection.sendall(answer)
        self._socket.close()


async def test_the_pull_loop_outlives_a_tingsu_that_restarts(programs: Programs) -> None:
    server = Restarting()
    server.start()
    process = programs.start("pull.py", TINGSU_URL=server.url, TINGSU_API_KEY="x", TINGSU_PAUSE="0.1")
    await asyncio.to_thread(server.join, 30)
    assert process.poll() is None
    # Of the last three the second goes on where the first was, is told that this is no longer known, and the third begins anew.
    assert ["cursor=7" in asked for asked in server.asked] == [False] * 5 + [True, False]


async def test_consumers_of_a_group_take_over_and_survive_an_empty_redis(
    start: Start, programs: Programs, tmp_path: Path
) -> None:
    server = RedisServer(tmp_path)
    server.start()
    bridge = await start(redis_url=server.url)
    settings = {
        "REDIS_URL": server.url,
        "TINGSU_STREAM": f"{bridge.settings.redis_prefix}handoff",
        "TINGSU_DEAD_AFTER_MS": "200",
    }
    first = programs.start("stream_consumer.py", "crm", "worker-1", **settings)
    numbers = await filed(bridge, 1, 2, 3)
    await programs.has(3)
    programs.kill(first)
    # Somebody took an entry and died before it was kept.
    numbers += await filed(bridge, 4)
    with client.Redis.from_url(server.url) as other:

        async def taken() -> Any:
            return other.xreadgroup("crm", "dead", {settings["TINGSU_STREAM"]: ">"})

        await eventually(taken)
        programs.start("stream_consumer.py", "crm", "worker-2", **settings)
        await programs.has(4)
        other.flushall()
    numbers += await filed(bridge, 5)
    rows = await programs.has(5)
    assert sorted(row[0] for row in rows) == sorted(f"evt_{number}_1" for number in numbers)
    server.stop()
