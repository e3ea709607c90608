"""docs/examples/receiver.py as it stands, as a process, against the real bridge: killed, slow, with a wrong secret."""

import datetime as dt
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.api.conftest import ROOT, Bridge, Start
from tests.api.receiver import eventually
from tests.api.redis_server import free_port
from tests.api.test_webhooks import QUICK, call, comment, deliveries, filed, until, webhook


class Example:
    """The receiver's process and what it keeps."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/tingsu"
        self._path = directory / "inbox.sqlite3"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, *secrets: str) -> None:
        program = [sys.executable, str(ROOT / "docs/examples/receiver.py"), str(self.port), str(self._path)]
        environment = {**os.environ, "TINGSU_WEBHOOK_SECRETS": " ".join(secrets)}
        self._process = subprocess.Popen(program, env=environment)  # noqa: ASYNC220 - starts, does not wait
        await eventually(self._is_up)

    async def _is_up(self) -> bool:
        try:
            async with httpx.AsyncClient() as http:
                return (await http.post(self.url)).status_code == 413
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def rows(self, statement: str) -> list[Any]:
        connection = sqlite3.connect(self._path)
        found = connection.execute(statement).fetchall()
        connection.close()
        return found

    async def has_done(self, count: int) -> list[Any]:
        async def done() -> list[Any] | None:
            found = self.rows("SELECT id FROM inbox WHERE done")
            return found if len(found) >= count else None

        found: list[Any] = await eventually(done, 20)
        return found


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    found = Example(tmp_path)
    yield found
    found.kill()


@pytest.fixture
async def bridge(start: Start) -> Bridge:
    started: Bridge = await start(**{**QUICK, "webhook_retries": (0.2,) * 40})
    return started


def signed(secret: str, body: bytes, *, event_id: str = "evt_TS1_1", age: int = 0) -> dict[str, str]:
    moment = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age)
    signature = Webhook(secret).sign(event_id, moment, body.decode())
    return {
        "webhook-id": event_id, "webhook-timestamp": str(int(moment.timestamp())), "webhook-signature": signature,
    }  # fmt: skip


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the standard's own example
BODY = b'{"id":"evt_TS1_1","type":"ticket.create","data":{"ticket_no":"TS1","version":1,"state":"new"}}'


# Refused


async def test_it_takes_nothing_that_is_not_signed_now_by_us(example: Example) -> None:
    await example.start(SECRET)
    other = "whsec_" + "A" * 32
    good = signed(SECRET, BODY)
    wrong = [
        {},
        signed(other, BODY),
        signed(SECRET, BODY + b" "),
        signed(SECRET, BODY, age=600),
        {**good, "webhook-id": "evt_TS1_2"},
        {**good, "webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)},
        {**good, "webhook-timestamp": "soon"},
        {**good, "webhook-signature": good["webhook-signature"].replace("v1,", "v2,")},
    ]
    async with httpx.AsyncClient() as http:
        statuses = [(await http.post(example.url, content=BODY, headers=headers)).status_code for headers in wrong]
        assert statuses == [401] * len(wrong)
        assert example.rows("SELECT * FROM inbox") == []
        assert (await http.post(example.url, content=BODY, headers=good)).status_code == 204


async def test_the_same_again_is_done_once_and_an_older_version_changes_nothing(example: Example) -> None:
    await example.start(SECRET)
    newer = BODY.replace(b'"version":1,"state":"new"', b'"version":3,"state":"accepted"')
    async with httpx.AsyncClient() as http:
        for event_id, body in (("evt_TS1_3", newer), ("evt_TS1_3", newer), ("evt_TS1_1", BODY)):
            headers = signed(SECRET, body, event_id=event_id)
            assert (await http.post(example.url, content=body, headers=headers)).status_code == 204
    await example.has_done(2)
    assert example.rows("SELECT * FROM cases") == [("TS1", 3, "accepted")]


# With the bridge


async def test_it_receives_what_happens(bridge: Bridge, example: Example) -> None:
    made = await webhook(bridge, example.url)
    await example.start(made["secret"])
    numbers = await filed(bridge, 1, 2)
    await comment(bridge, numbers[0], "一", "二")
    await example.has_done(4)
    assert sorted(example.rows("SELECT ticket_no, version FROM cases")) == sorted([(numbers[0], 3), (numbers[1], 1)])


async def test_killed_again_and_again_it_has_everything_once_in_the_end(bridge: Bridge, example: Example) -> None:
    made = await webhook(bridge, example.url)
    await example.start(made["secret"])
    numbers: list[str] = []
    for round_ in range(4):
        numbers += await filed(bridge, *range(round_ * 10, round_ * 10 + 5))
        example.kill()
        numbers += await filed(bridge, *range(round_ * 10 + 5, round_ * 10 + 8))
        await example.start(made["secret"])
    for number in numbers[:5]:
        await comment(bridge, number, "一")
    await until(bridge, made, "delivered", len(numbers) + 5)
    ids = [row[0] for row in await example.has_done(len(numbers) + 5)]
    expected = {f"evt_{number}_1" for number in numbers} | {f"evt_{number}_2" for number in numbers[:5]}
    assert (set(ids), len(ids)) == (expected, len(expected))


async def test_with_the_wrong_secret_it_refuses_until_it_is_given_the_right_one(
    bridge: Bridge, example: Example
) -> None:
    made = await webhook(bridge, example.url)
    await example.start("whsec_" + "A" * 32)
    (number,) = await filed(bridge, 1)

    async def refused() -> bool:
        return any(row["last_status"] == 401 for row in await deliveries(bridge, made))

    await eventually(refused)
    example.kill()
    await example.start(made["secret"])
    await example.has_done(1)
    assert example.rows("SELECT ticket_no FROM cases") == [(number,)]


async def test_it_goes_on_through_a_change_of_secrets(bridge: Bridge, example: Example) -> None:
    made = await webhook(bridge, example.url)
    await example.start(made["secret"])
    fresh = await call(bridge, "POST", f"/v1/webhooks/{made['id']}/rotate", grace_hours=1)
    await filed(bridge, 1)
    await example.has_done(1)
    example.kill()
    await example.start(fresh["secret"])
    await filed(bridge, 2)
    await example.has_done(2)


async def test_a_slow_one_gets_each_event_all_the_same(start: Start, example: Example) -> None:
    """Stopped in the middle (as by a long collection), it answers too late; the id keeps the second try harmless."""
    bridge = await start(**{**QUICK, "webhook_timeout": 0.5, "webhook_retries": (0.2,) * 40})
    made = await webhook(bridge, example.url)
    await example.start(made["secret"])
    process = example._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    numbers = await filed(bridge, 1, 2, 3)

    async def waited() -> bool:
        return any(row["last_error"] == "timeout" for row in await deliveries(bridge, made))

    await eventually(waited)
    process.send_signal(signal.SIGCONT)
    ids = {row[0] for row in await example.has_done(3)}
    assert ids == {f"evt_{number}_1" for number in numbers}


def test_nothing_but_pythons_own_library() -> None:
    """Whoever copies the file needs nothing else."""
    lines = (ROOT / "docs/examples/receiver.py").read_text("utf-8").splitlines()
    imported = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert imported <= set(sys.stdlib_module_names)
