"""`make bench-tickets`: fills a database, starts the api on it, asks and files over HTTP, prints the table.

    python -m benchmarks.tickets [--count 1000000] [--store sqlite|postgresql] [--keep DIRECTORY] [--times 200]

PostgreSQL is a server of its own, with fsync on and as much memory as a small machine gives it. Without --keep everything is
in a temporary directory; with it both stores stay in DIRECTORY, and the next run asks what the last one has filled.
"""

import argparse
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, create_engine, func, inspect, select, text
from sqlalchemy.pool import NullPool

from api.core.clock import Clock
from api.core.models import staff
from api.core.security import Role
from api.core.settings import Settings
from api.desk.staff import add
from api.tickets.models import tickets
from benchmarks.tickets.ask import HANDLERS, PASSWORD, Timing, ask_all
from benchmarks.tickets.fill import fill
from benchmarks.tickets.made import ROOT
from contract.playbook_loader import load_playbook
from tests.api.postgres import postgres
from tests.api.redis_server import RedisServer, free_port

_TARGET = {"sqlite": 100.0, "postgresql": 50.0}  # milliseconds, p95
_CREATED = 300.0  # per second
_CLIENTS = ((2, 32), (1, 1))  # processes, connections each
_MEMORY = (
    "shared_buffers=1GB",
    "effective_cache_size=6GB",
    "work_mem=16MB",
    "max_wal_size=4GB",
    "random_page_cost=1.1",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-tickets")
    parser.add_argument("--count", type=int, default=1_000_000, help="how many tickets; ten entries each")
    parser.add_argument("--store", choices=tuple(_TARGET), action="append", help="default: both")
    parser.add_argument("--times", type=int, default=200, help="requests of each kind")
    parser.add_argument("--keep", type=Path, help="keep the database here, or use the one that is there")
    given = parser.parse_args()
    missed = 0
    for kind in given.store or tuple(_TARGET):
        print(f"\n### {kind}，{given.count:,} 张工单", flush=True)
        with _place(given.keep) as directory, _server(kind, given.keep) as url, _redis(directory) as redis:
            missed += _bench(directory, url, redis, kind, given.count, given.times)
    return 1 if missed else 0


def _bench(directory: Path, url: str | None, redis: str, kind: str, count: int, times: int) -> int:
    secret, key, port = secrets.token_hex(16), secrets.token_hex(16), free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TINGSU_")},
        "TINGSU_DATA_DIR": str(directory),
        "TINGSU_PLAYBOOK": str(ROOT / "playbook"),
        "TINGSU_PORT": str(port),
        "TINGSU_INTERNAL_SECRET": secret,
        "TINGSU_API_KEYS": f"bench:supervisor:{key}",
        "DATABASE_URL": url or "",
        "REDIS_URL": redis,
    }
    os.environ.update(environment)
    settings = Settings(_env_file=None)
    routes = sorted({route.handler for route in load_playbook(settings.playbook).routing.routes})
    if not _is_filled(settings):
        fill(settings, count)
        _add_handlers(settings, routes)
    log = (directory / "api.log").open("ab")
    process = subprocess.Popen([sys.executable, "-m", "api"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        _wait(port)
        numbers = _some_numbers(settings, count)
        missed = 0
        print("| 问什么 | CPU ms | p50 ms | p95 ms | 最慢 ms | 行 | |\n|---|---|---|---|---|---|---|", flush=True)
        spent = partial(_spent, process.pid, settings)
        for timing in ask_all(port, key, count, routes=routes, numbers=numbers, times=times, spent=spent):
            missed += _tell(timing, _TARGET[kind])
        for processes, lanes in _CLIENTS:
            missed += _create(port, secret, kind, processes, lanes)
        print(f"  负载 {os.getloadavg()[1]:.1f}（最近五分钟）", flush=True)
        return missed
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _is_filled(settings: Settings) -> bool:
    """The accounts are made last: what was broken off in the middle is not taken for the whole."""
    with create_engine(settings.sql_url).connect() as connection:
        if not inspect(connection).has_table(staff.name):
            return False
        known = select(func.count()).where(staff.c.username.in_(HANDLERS.values()))
        return connection.execute(known).scalar_one() == len(HANDLERS)


def _spent(api: int, settings: Settings) -> float:
    """Milliseconds of CPU of the api, the database's processes and this one (Linux): they tell more than p95 on a busy machine."""
    pids = [api]
    if settings.sql_url.startswith("postgresql"):
        with create_engine(settings.sql_url, poolclass=NullPool).connect() as connection:
            backends = text(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            pids += connection.scalars(backends)
    tasks = [path for pid in pids for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return time.process_time() * 1000 + sum(int(path.read_text().split()[0]) / 1e6 for path in tasks)


def _tell(timing: Timing, target: float) -> int:
    within = timing.p95 <= target
    mark = "" if within else f"未达到（≤ {target:.0f}）"
    print(
        f"| {timing.what} | {timing.cpu:.1f} | {timing.p50:.1f} | {timing.p95:.1f} | {timing.worst:.1f} | {timing.found} | {mark} |",
        flush=True,
    )
    return 0 if within else 1


def _create(port: int, secret: str, kind: str, processes: int, lanes: int) -> int:
    program = [sys.executable, "-m", "benchmarks.tickets.load", str(port), secret, str(lanes)]
    running = [
        subprocess.Popen([*program, str(seed)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for seed in range(processes)
    ]
    told = [list(map(float, one.communicate()[0].split())) for one in running]
    assert not any(one.returncode for one in running)
    rate, p95 = sum(one[0] for one in told), max(one[2] for one in told)
    within = processes == 1 or kind != "sqlite" or rate >= _CREATED
    what = f"登记，{processes * lanes} 个连接：每秒 {rate:.0f} 张"
    print(f"| {what} | | {told[0][1]:.1f} | {p95:.1f} | | | {'' if within else '未达到（≥ 300）'} |", flush=True)
    return 0 if within else 1


def _add_handlers(settings: Settings, routes: list[str]) -> None:
    now = Clock(None, None).now()
    with create_engine(settings.sql_url).begin() as connection:
        for name, unit in zip(
            HANDLERS.values(), (*_largest_and_smallest(connection, routes), "没有工单的部门"), strict=True
        ):
            add(connection, username=name, role=Role.HANDLER, password=PASSWORD, now=now, unit=unit)


def _largest_and_smallest(connection: Connection, routes: list[str]) -> tuple[str, str]:
    counted = connection.execute(select(tickets.c.route, func.count()).group_by(tickets.c.route))
    by_size = sorted((count, route) for route, count in counted if route in routes)
    return by_size[-1][1], by_size[0][1]


def _some_numbers(settings: Settings, count: int) -> list[str]:
    ids = random.Random(2).sample(range(1, count + 1), min(count, 400))
    with create_engine(settings.sql_url).connect() as connection:
        return list(connection.scalars(select(tickets.c.ticket_no).where(tickets.c.id.in_(ids))))


def _wait(port: int) -> None:
    for _ in range(1200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the api did not start")


@contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    directory = Path(tempfile.mkdtemp(prefix="tingsu-bench-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _redis(directory: Path) -> Iterator[str]:
    server = RedisServer(directory)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@contextmanager
def _server(kind: str, keep: Path | None) -> Iterator[str | None]:
    if kind == "sqlite":
        yield None
        return
    with postgres(*_MEMORY, durable=True, keep=keep and keep / "postgresql") as address:
        yield f"{address}/postgres"


if __name__ == "__main__":
    sys.exit(main())
