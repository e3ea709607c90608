"""One bank's machine in a directory of its own: the bridge, Redis, a receiver of webhooks, and PostgreSQL when asked for.

Every process can be killed, frozen and brought back; the bridge is started again as supervisord would.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from api.core.settings import Settings
from tests.api.postgres import PostgresServer
from tests.api.redis_server import RedisServer, free_port

ROOT = Path(__file__).resolve().parents[2]
KEY = "chaos-admin-key"
HEADERS = {"X-API-Key": KEY}
PII_KEY = "chaos-key-chaos-key-chaos-key-00"
_SIZE = "512m"


class Process:
    """A program with its output in a log file; `start` again after `kill` brings it back as it was."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str]) -> None:
        self._command = command
        self._log = log
        self._environment = environment
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def start(self) -> None:
        if self.alive:
            return
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def send(self, number: signal.Signals) -> None:
        if self._running is not None and self.alive:
            os.killpg(self._running.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        if self._running is not None:
            self._running.wait()

    def end(self) -> int:
        """As an operator stops it; its exit code."""
        self.send(signal.SIGTERM)
        return 0 if self._running is None else self._running.wait(30)


@dataclass
class World:
    """`url` is the bridge's address; `has_limit`: its data stands on a file system that can be filled."""

    directory: Path
    store: str
    receiver_port: int = field(default_factory=free_port)
    session: aiohttp.ClientSession = field(init=False)
    has_limit: bool = False

    def __post_init__(self) -> None:
        self.data = self.directory / "data"
        self.data.mkdir()
        self.has_limit = _mounted(self.data)
        self.postgres = self._made_postgres() if self.store == "postgresql" else None
        self.redis = RedisServer(_made(self.directory / "redis"))
        self.offset = self.directory / "offset"
        self.offset.write_text("0")
        self.received = self.directory / "received.jsonl"
        self.secret_file = self.directory / "secret"
        self.mood = self.directory / "mood"
        self.mood.write_text("ok")
        # Several processes of one bank share a PostgreSQL; SQLite is for one.
        self.ports = [free_port() for _ in range(1 if self.postgres is None else 2)]
        self.bridges = [self._bridge(port) for port in self.ports]
        self.receiver = Process(
            [sys.executable, "-m", "benchmarks.chaos.receiver", str(self.receiver_port), str(self.directory)],
            self.directory / "receiver.log",
            {**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def _made_postgres(self) -> PostgresServer:
        """Its files stand on the file system that can be filled; its own user must be able to get there."""
        for directory in (self.directory, self.data):
            directory.chmod(0o711)
        return PostgresServer(_made(self.data / "postgres"), durable=True)

    @property
    def database(self) -> str | None:
        return f"{self.postgres.url}/postgres" if self.postgres is not None else None

    @property
    def settings(self) -> Settings:
        return Settings(database_url=self.database, data_dir=self.data, pii_key=SecretStr(PII_KEY), _env_file=None)

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def _bridge(self, port: int) -> Process:
        command = [sys.executable, "-m", "benchmarks.chaos.bridge", str(self.offset)]
        return Process(command, self.directory / f"api-{port}.log", {**self.environment, "TINGSU_PORT": str(port)})

    @property
    def environment(self) -> dict[str, str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TINGSU_DATA_DIR": str(self.data),
            "TINGSU_API_KEYS": f"chaos:admin:{KEY}",
            "TINGSU_INTERNAL_SECRET": secrets.token_hex(16),
            "TINGSU_PII_KEY": PII_KEY,
            "TINGSU_ADMIN_PASSWORD": "chaos-password-chaos",
            "TINGSU_WEBHOOK_ALLOW": "127.0.0.0/8",
            # Days of retries in a minute; so many that none gives up before the receiver is well again.
            "TINGSU_WEBHOOK_RETRIES": ",".join(["0.5"] * 4 + ["2"] * 200),
            "TINGSU_WEBHOOK_TIMEOUT": "5",
            "REDIS_URL": self.redis.url,
        }
        if self.database is not None:
            environment["DATABASE_URL"] = self.database
        return environment

    async def start(self) -> None:
        if self.postgres is not None:
            await asyncio.to_thread(self.postgres.start)
        self.redis.start()
        self.receiver.start()
        await self.bring_back()
        hook = {"name": "chaos", "url": f"http://127.0.0.1:{self.receiver_port}/hook"}
        async with self.session.post(f"{self.url}/v1/webhooks", json=hook, headers=HEADERS) as answer:
            self.secret_file.write_text((await answer.json())["secret"])

    def revive(self) -> None:
        """PostgreSQL ends itself when it cannot write its log; an operator starts it again."""
        if self.postgres is not None and not self.postgres.alive:
            self.postgres.start()

    async def bring_back(self) -> None:
        """Every bridge runs and takes writes."""
        for bridge, url in zip(self.bridges, self.urls, strict=True):
            await self._until_ready(bridge, url)

    async def _until_ready(self, bridge: Process, url: str) -> None:
        async with asyncio.timeout(60):
            while True:
                bridge.start()
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with self.session.get(f"{url}/readyz") as answer:
                        if (await answer.json())["checks"]["database"]["status"] == "ok":
                            return
                await asyncio.sleep(0.05)


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _mounted(directory: Path) -> bool:
    """A file system of its own that can be filled up; needs root."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "none", str(directory)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _unmount(directory: Path) -> None:
    subprocess.run(["umount", str(directory)], check=True)


@contextlib.asynccontextmanager
async def running_world(store: str) -> AsyncIterator[World]:
    """`store`: sqlite or postgresql."""
    with tempfile.TemporaryDirectory(prefix="tingsu-chaos-") as directory:
        world = World(Path(directory), store)
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=8)) as session:
                world.session = session
                await world.start()
                yield world
        finally:
            for process in (*world.bridges, world.receiver):
                process.kill()
            world.redis.stop()
            if world.postgres is not None:
                world.postgres.stop()
            if world.has_limit:
                _unmount(world.data)
