"""Work that nobody asks for: at an interval or once a day, by one process at a time.

A row in `jobs` says whether a job is due and who runs it. So any number of processes may start the same jobs, a daily job
that was missed while everything was down runs at the next start, and a process that dies gives its job up when its lease ends.

Looks follow each other by the monotonic clock, and a moment that no clock can have set yet holds nothing up: a wall clock that
was hours ahead and is set right stops no job. (APScheduler waits for such a moment, therefore it is not used here.)
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from api.core.clock import BEIJING, SKEW
from api.core.db import Database
from api.core.errors import ApiError
from api.core.logging import describe, get_logger
from api.core.metrics import Metrics
from api.core.models import AnyRow, jobs
from api.core.security import new_id

logger = get_logger("jobs")

Work = Callable[[], Awaitable[None]]

_LOOK = 30.0  # seconds between looks whether a daily job is due
_LEASE = 60.0  # seconds; renewed three times as often while the work goes on
_AFTER_FAILURE = 300.0  # seconds at most until a failed job is tried again
_SKEW = SKEW.total_seconds()


@dataclass(frozen=True, slots=True)
class _Job:
    """`next`: when it is due, from when it was done; the wall clock's seconds. `patience`: seconds before it is tried again after
    a failure. `first_at_once`: whether a new database runs it right away.
    """

    name: str
    next: Callable[[float], float]
    look_every: float
    work: Work
    patience: float
    first_at_once: bool


class Jobs:
    """The jobs of one app. Real time decides when they run; the work itself goes by `ctx.clock`."""

    def __init__(self, db: Database, metrics: Metrics) -> None:
        self._db = db
        self._metrics = metrics
        self._me = new_id()
        self._jobs: dict[str, _Job] = {}
        self._looking: list[asyncio.Task[None]] = []

    def every(self, name: str, seconds: float, work: Work) -> None:
        def following(done_at: float) -> float:
            return done_at + seconds

        self._jobs[name] = _Job(name, following, seconds, work, min(seconds, _AFTER_FAILURE), first_at_once=True)

    def daily(self, name: str, at: str, work: Work) -> None:
        """`at` is HH:MM in Beijing time."""
        hour, minute = map(int, at.split(":"))

        def following(done_at: float) -> float:
            done = datetime.fromtimestamp(done_at, BEIJING)
            today = done.replace(hour=hour, minute=minute, second=0, microsecond=0)
            return (today if today > done else today + timedelta(days=1)).timestamp()

        self._jobs[name] = _Job(name, following, _LOOK, work, _AFTER_FAILURE, first_at_once=False)

    def start(self) -> None:
        """Whatever was added until now."""
        self._looking = [asyncio.create_task(self._look(job)) for job in self._jobs.values()]

    async def stop(self) -> None:
        """No new runs; those under way are cancelled, and their leases end by themselves."""
        for task in self._looking:
            task.cancel()
        await asyncio.gather(*self._looking, return_exceptions=True)

    async def run(self, name: str) -> bool:
        """Runs a job if it is due and nobody else does; True when it ran to its end."""
        job = self._jobs[name]
        try:
            # Looked at first: a look that finds nothing to do costs no commit.
            if not await self._db.read(lambda connection: _is_due(connection, job)):
                return False
            if not await self._db.write(lambda connection: _take(connection, job, self._me)):
                return False
            return await self._run_leased(job)
        except ApiError as error:
            # The database is away: nothing was claimed, or the lease ends by itself.
            self._failed(job, error)
            return False

    async def _look(self, job: _Job) -> None:
        while True:
            try:
                await self.run(job.name)
            except Exception as error:  # noqa: BLE001 - edge of a task: the next look must still come
                self._failed(job, error)
            jitter = min(1.0, job.look_every / 4)
            await asyncio.sleep(job.look_every + random.uniform(0, jitter))  # noqa: S311 - spreads load, keeps no secret

    async def _run_leased(self, job: _Job) -> bool:
        renewing = asyncio.create_task(self._renew(job))
        try:
            await job.work()
        except Exception as error:  # noqa: BLE001 - edge of a task: the next run must still come
            self._failed(job, error)
            await self._db.write(lambda connection: _give_back(connection, job, done=None))
            return False
        finally:
            renewing.cancel()
        await self._db.write(lambda connection: _give_back(connection, job, done=time.time()))
        self._metrics.jobs.labels(job.name, "done").inc()
        return True

    async def _renew(self, job: _Job) -> None:
        while True:
            await asyncio.sleep(_LEASE / 3)
            with suppress(ApiError):
                await self._db.write(lambda connection: _extend(connection, job, self._me))

    def _failed(self, job: _Job, error: Exception) -> None:
        self._metrics.jobs.labels(job.name, "failed").inc()
        logger.error("job_failed", job=job.name, **describe(error))


def _is_due(connection: Connection, job: _Job) -> bool:
    """True as well for a job that is not known yet: `_take` makes it known."""
    row, now = _row(connection, job), time.time()
    return row is None or (not _is_leased(row, job, now) and _has_come(row, job, now))


def _is_leased(row: AnyRow, job: _Job, now: float) -> bool:
    return bool(now < row.lease_until <= now + max(_LEASE, job.patience) + _SKEW)


def _has_come(row: AnyRow, job: _Job, now: float) -> bool:
    return not row.done_at or row.done_at > now + _SKEW or job.next(row.done_at) <= now


def _take(connection: Connection, job: _Job, me: str) -> bool:
    """Whether the job is due and now ours. One row, one UPDATE with its condition: two processes cannot both win."""
    if _row(connection, job) is None:
        _make_known(connection, job)
    row, now = _row(connection, job), time.time()
    if row is None or not _is_due(connection, job):
        return False
    free = update(jobs).where(jobs.c.name == job.name, jobs.c.lease_until == row.lease_until)
    return bool(connection.execute(free.values(holder=me, lease_until=now + _LEASE)).rowcount)


def _row(connection: Connection, job: _Job) -> AnyRow | None:
    return connection.execute(select(jobs).where(jobs.c.name == job.name)).one_or_none()


def _make_known(connection: Connection, job: _Job) -> None:
    """A new job that runs once a day waits for its hour; a database must not be cleaned up in the minute it was made."""
    done_at = 0.0 if job.first_at_once else time.time()
    values = {"name": job.name, "holder": None, "lease_until": 0.0, "done_at": done_at}
    with suppress(IntegrityError), connection.begin_nested():
        connection.execute(insert(jobs), values)


def _extend(connection: Connection, job: _Job, me: str) -> None:
    ours = update(jobs).where(jobs.c.name == job.name, jobs.c.holder == me)
    connection.execute(ours.values(lease_until=time.time() + _LEASE))


def _give_back(connection: Connection, job: _Job, *, done: float | None) -> None:
    """`done` None: it failed, and waits its patience before the next try."""
    values = {"done_at": done, "lease_until": 0.0} if done else {"lease_until": time.time() + job.patience}
    connection.execute(update(jobs).where(jobs.c.name == job.name).values(values))
