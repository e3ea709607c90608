"""The bridge itself is killed (kill -9) while it delivers: no event is lost, each one arrives under its one id."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from starlette.responses import Response

from tests.api.conftest import KEYS, ROOT
from tests.api.receiver import Event, Receiver, eventually
from tests.api.redis_server import free_port
from tests.api.stores import Store


class Process:
    """`python -m api` on the test's database."""

    def __init__(self, directory: Path, store: Store) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.headers = {"X-API-Key": KEYS["admin"]}
        self._environment = {
            **os.environ,
            "TINGSU_PORT": str(self.port),
            "TINGSU_DATA_DIR": str(directory / "data"),
            "TINGSU_PLAYBOOK": str(ROOT / "playbook"),
            "TINGSU_API_KEYS": f"admin:admin:{KEYS['admin']}",
            "TINGSU_WEBHOOK_ALLOW": "127.0.0.1",
            "TINGSU_WEBHOOK_TIMEOUT": "1",
            "TINGSU_WEBHOOK_RETRIES": ",".join(["0.2"] * 40),
            "DATABASE_URL": store.database_url or "",
            "REDIS_URL": "",
        }
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: ASYNC220 - starts, does not wait
            [sys.executable, "-m", "api"],
            cwd=self._directory,
            env={**self._environment, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.DEVNULL,
        )
        await eventually(self._is_up, 60)

    async def _is_up(self) -> bool:
        try:
            async with httpx.AsyncClient() as http:
                return (await http.get(f"{self.url}/healthz")).status_code == 200
        except httpx.HTTPError:
            return False

    async def is_dead(self) -> bool:
        return self._process is None

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    async def post(self, path: str, body: dict[str, object], **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(timeout=15) as http:
            return await http.post(f"{self.url}{path}", json=body, headers={**self.headers, **headers})

    async def file(self, number: int) -> str:
        """Its ticket; filed again, the same one."""
        body = {"narrative_raw": "柜员让我等", "cause_l1": "C5", "phone": f"1390000{number:04}"}
        filed = await self.post("/v1/tickets", body, **{"Idempotency-Key": f"key-{number}"})
        assert filed.status_code == 201, filed.text
        return str(filed.json()["ticket_no"])


@pytest.fixture
def bridge(tmp_path: Path, store: Store) -> Iterator[Process]:
    found = Process(tmp_path, store)
    yield found
    found.kill()


@pytest.mark.timeout(240)
async def test_killed_while_it_delivers_it_delivers_all_the_same(bridge: Process) -> None:
    receiver = await Receiver().start()
    await bridge.start()
    made = await bridge.post("/v1/webhooks", {"name": "后台", "url": receiver.url})
    assert made.status_code == 201, made.text

    async def killing(_: Event) -> Response:
        """The receiver has it, and the bridge never hears so."""
        bridge.kill()
        return Response()

    filed: list[str] = []
    for round_ in range(3):
        receiver.respond = fine
        for number in range(5):
            filed.append(await bridge.file(round_ * 10 + number))
        receiver.respond = killing
        # The bridge may die before it answers; whoever filed asks again with the same key.
        with suppress(httpx.HTTPError):
            await bridge.file(round_ * 10 + 5)
        await eventually(bridge.is_dead)
        receiver.respond = fine
        await bridge.start()
        filed.append(await bridge.file(round_ * 10 + 5))
    expected = {f"evt_{number}_1" for number in filed}

    async def complete() -> bool:
        return {event["id"] for event in receiver.kept} == expected

    await eventually(complete, 100)
    # Twice at worst, and only what was under way when it was killed.
    assert len(receiver.kept) <= len(expected) + 3 * 4
    assert receiver.verified(made.json()["secret"])
    await receiver.server.stop()


async def fine(_: Event) -> Response:
    return Response()
