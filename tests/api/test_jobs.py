"""Jobs run when they are due, in one process, and come again after whatever happened to them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from api.core import jobs as module
from api.core.clock import BEIJING
from api.core.crypto import Cipher
from api.core.db import Database
from api.core.jobs import Jobs
from api.core.metrics import Metrics
from api.core.models import jobs as table
from api.core.settings import Settings
from tests.api.receiver import eventually
from tests.api.stores import Store

Made = Callable[[], Jobs]


class Work:
    """Counts its runs; fails or waits when told to."""

    def __init__(self) -> None:
        self.runs = 0
        self.began = asyncio.Semaphore(0)
        self.failing = False
        self.go_on: asyncio.Event | None = None

    async def __call__(self) -> None:
        self.runs += 1
        self.began.release()
        if self.go_on is not None:
            await self.go_on.wait()
        if self.failing:
            raise ValueError("on purpose")


@pytest.fixture
async def made(tmp_path: Path, store: Store) -> AsyncIterator[Made]:
    """Schedulers of several processes on one database."""
    settings = Settings(data_dir=tmp_path, database_url=store.database_url, _env_file=None)
    store.prepare(settings)
    db = Database(settings.sql_url, Cipher(settings.key_ring))
    yield lambda: Jobs(db, Metrics())
    await db.close()


async def set_back(jobs: Jobs, **values: float) -> None:
    await jobs._db.write(lambda connection: connection.execute(update(table).values(values)))


async def kept(jobs: Jobs) -> datetime:
    def read(connection: Connection) -> float:
        return float(connection.execute(select(table.c.done_at)).scalar_one())

    return datetime.fromtimestamp(await jobs._db.read(read), BEIJING)


async def done_by_this_clock(jobs: Jobs) -> bool:
    return abs((await kept(jobs)).timestamp() - time.time()) < 60


async def test_a_failure_is_counted_and_tried_again_after_a_while(made: Made) -> None:
    jobs, work = made(), Work()
    jobs.every("x", 5, work)
    work.failing = True
    assert not await jobs.run("x")
    assert not await jobs.run("x")
    assert work.runs == 1
    assert jobs._metrics.jobs.labels("x", "failed")._value.get() == 1
    work.failing = False
    await set_back(jobs, lease_until=0)
    assert await jobs.run("x")


async def test_it_is_not_run_again_before_its_time(made: Made) -> None:
    jobs, work = made(), Work()
    jobs.every("x", 60, work)
    assert [await jobs.run("x"), await jobs.run("x")] == [True, False]
    assert work.runs == 1


async def test_two_processes_run_it_once(made: Made) -> None:
    first, second, work = made(), made(), Work()
    work.go_on = asyncio.Event()
    for jobs in (first, second):
        jobs.every("x", 60, work)
    both = asyncio.gather(first.run("x"), second.run("x"))
    await work.began.acquire()
    work.go_on.set()
    assert sorted(await both) == [False, True]
    assert work.runs == 1


async def test_a_process_that_died_gives_its_job_up(made: Made) -> None:
    dying, other, work = made(), made(), Work()
    work.go_on = asyncio.Event()
    for jobs in (dying, other):
        jobs.every("x", 60, work)
    run = asyncio.create_task(dying.run("x"))
    await work.began.acquire()
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    work.go_on.set()
    assert not await other.run("x")
    await set_back(other, lease_until=0)
    assert await other.run("x")


async def test_a_daily_job_waits_for_its_hour_in_a_new_database(made: Made) -> None:
    jobs, work = made(), Work()
    jobs.daily("x", "02:30", work)
    assert not await jobs.run("x")
    assert work.runs == 0


async def test_a_daily_job_that_was_missed_runs_at_the_next_start_and_once(made: Made) -> None:
    jobs, work = made(), Work()
    jobs.daily("x", "02:30", work)
    await jobs.run("x")
    await set_back(jobs, done_at=(await kept(jobs) - timedelta(days=3)).timestamp())
    assert [await jobs.run("x"), await jobs.run("x")] == [True, False]


async def test_the_scheduler_runs_what_was_added(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK", 0.05)
    jobs, work = made(), Work()
    jobs.every("x", 0.3, work)
    jobs.start()
    async with asyncio.timeout(10):
        for _ in range(2):
            await work.began.acquire()
    await jobs.stop()


@pytest.mark.parametrize("hours", [8, -8], ids=["ahead", "behind"])
async def test_a_clock_that_was_wrong_and_is_set_right_stops_no_job(
    made: Made, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    jobs, work, real = made(), Work(), time.time
    jobs.every("x", 0.2, work)
    jobs.start()
    async with asyncio.timeout(20):
        for shift in (0, hours, 0):
            monkeypatch.setattr(time, "time", lambda shift=shift: real() + shift * 3600)
            for _ in range(3):
                await work.began.acquire()
            await eventually(partial(done_by_this_clock, jobs))
    await jobs.stop()


async def test_a_daily_job_that_was_done_by_a_wrong_clock_is_due(made: Made) -> None:
    jobs, work = made(), Work()
    jobs.daily("x", "02:30", work)
    await jobs.run("x")
    await set_back(jobs, done_at=time.time() + 8 * 3600)
    assert [await jobs.run("x"), await jobs.run("x")] == [True, False]


async def test_a_lease_of_a_wrong_clock_is_over(made: Made) -> None:
    jobs, work = made(), Work()
    jobs.every("x", 60, work)
    await jobs.run("x")
    await set_back(jobs, done_at=0, lease_until=time.time() + 8 * 3600)
    assert await jobs.run("x")


async def test_one_broken_look_is_followed_by_another(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, work = made(), Work()
    jobs.every("x", 0.2, work)
    take, failing = module._take, iter([True])

    def breaks(*given: Any) -> bool:
        if next(failing, False):
            raise ValueError("on purpose")
        return take(*given)

    monkeypatch.setattr(module, "_take", breaks)
    jobs.start()
    async with asyncio.timeout(10):
        await work.began.acquire()
    await jobs.stop()


async def test_stopping_ends_what_runs(made: Made) -> None:
    jobs, work = made(), Work()
    work.go_on = asyncio.Event()
    jobs.every("x", 60, work)
    jobs.start()
    await work.began.acquire()
    async with asyncio.timeout(5):
        await jobs.stop()


@pytest.mark.only_on("sqlite", reason="PostgreSQL's driver does not call a missing table an outage")
async def test_without_the_database_nothing_runs(made: Made) -> None:
    jobs, work = made(), Work()
    jobs.every("x", 60, work)
    await jobs._db.write(lambda connection: connection.exec_driver_sql("ALTER TABLE jobs RENAME TO away"))
    assert not await jobs.run("x")
    assert work.runs == 0
