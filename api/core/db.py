"""SQL in threads: `write` and `read` run a function in one transaction, and nobody else commits.

SQLite has ONE connection that writes and checkpoints, in a thread of its own: besides being the fastest way, it keeps clear
of the WAL-reset corruption (SQLite 3.7.0 to 3.51.2), which needs two. Jobs that wait together share one commit.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DataError, DBAPIError, OperationalError

from api.core import audit
from api.core.crypto import Cipher, install_cipher
from api.core.errors import ApiError, InvalidError, StorageUnavailableError

_T = TypeVar("_T")

_READERS = 4  # threads; a page of rows takes well under a millisecond, and this host shares two cores
_BATCH = 64  # jobs per commit; beyond it the wait of the first outweighs the fsync saved


class CannotBeKeptError(InvalidError):
    """A NUL character on PostgreSQL, or a number beyond its column; nothing of the request was stored."""

    message = "内容里有系统不能处理的字符或数字，请修改后再提交。"


@dataclass(slots=True)
class _Job:
    """Work for the writer thread and where its result goes."""

    work: Callable[[Connection], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Database:
    """One database; SQLite for a single api process, PostgreSQL for any number."""

    def __init__(self, url: str, cipher: Cipher) -> None:
        self.cipher = cipher
        self.is_sqlite = url.startswith("sqlite")
        self._engine = _sqlite_engine(url, query_only=False) if self.is_sqlite else _postgres_engine(url)
        self._read_engine = _sqlite_engine(url, query_only=True) if self.is_sqlite else self._engine
        install_cipher(self._engine, cipher)
        install_cipher(self._read_engine, cipher)
        self._threads = ThreadPoolExecutor(_READERS if self.is_sqlite else 2 * _READERS, thread_name_prefix="sql")
        self._writer = _Writer(self._engine) if self.is_sqlite else None

    async def write(self, work: Callable[[Connection], _T]) -> _T:
        """Returns after the commit is durable. Raises StorageUnavailableError when the database cannot take it."""
        loop = asyncio.get_running_loop()
        if self._writer is None:
            return await loop.run_in_executor(self._threads, self._in_transaction, work)
        future: asyncio.Future[_T] = loop.create_future()
        self._writer.submit(_Job(work, loop, future))
        # A caller that goes away must not undo what the thread is already doing.
        return await asyncio.shield(future)

    async def read(self, work: Callable[[Connection], _T]) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._reading, work)

    def migrate(self, work: Callable[[Engine], _T]) -> _T:
        """Runs `work` in the caller's thread, before anything else uses the database; it makes its own transactions."""
        return work(self._engine)

    def setup(self, work: Callable[[Connection], _T]) -> _T:
        """The same in one transaction."""
        with self._engine.begin() as connection, _audited(connection):
            return work(connection)

    def look(self, work: Callable[[Connection], _T]) -> _T:
        """Runs `work` among reads in the caller's thread."""
        return self._reading(work)

    async def ping(self) -> None:
        """Raises StorageUnavailableError when the database does not take a write transaction."""
        await self.write(_writable)

    async def optimise(self) -> None:
        """Lets the planner know what the tables hold by now; PostgreSQL sees to it by itself."""
        if not self.is_sqlite:
            return
        await self.write(_analyse)
        # Who reads has loaded the old figures: connections made from now on load the new ones.
        self._read_engine.dispose()

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.close_here)

    def close_here(self) -> None:
        """In the caller's thread."""
        self._threads.shutdown(wait=True)
        # Readers first: the last connection that closes checkpoints, and that has to be the writer.
        self._read_engine.dispose()
        if self._writer is not None:
            self._writer.stop()
        self._engine.dispose()

    def _in_transaction(self, work: Callable[[Connection], _T]) -> _T:
        with _refusals(), self._engine.begin() as connection, _audited(connection):
            return work(connection)

    def _reading(self, work: Callable[[Connection], _T]) -> _T:
        with _refusals(), self._read_engine.connect() as connection, _unaudited(connection):
            return work(connection)


class _Writer:
    """The thread that owns SQLite's one writing connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def submit(self, job: _Job) -> None:
        if self._thread is None:
            self._start()
        self._jobs.put(job)

    def stop(self) -> None:
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sql-writer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        running = True
        while running:
            first = self._jobs.get()
            batch = [] if first is None else [first]
            running = first is not None
            while running and len(batch) < _BATCH and not self._jobs.empty():
                job = self._jobs.get()
                if job is None:
                    running = False
                else:
                    batch.append(job)
            if batch:
                self._commit_together(batch)
                _deliver(batch)

    def _commit_together(self, batch: list[_Job]) -> None:
        try:
            with self._engine.begin() as connection, _audited(connection):
                for job in batch:
                    _run_job(connection, job, alone=len(batch) == 1)
                if len(batch) == 1 and batch[0].error is not None:
                    raise batch[0].error
        except Exception as error:  # noqa: BLE001 - edge of a thread: whatever happened belongs to the callers
            for job in batch:
                job.error = job.error or _as_refusal(error)


def _analyse(connection: Connection) -> None:
    """A thousand rows of each index are enough to choose by: a fraction of a second for any size."""
    connection.execute(text("PRAGMA analysis_limit = 1000"))
    connection.execute(text("ANALYZE"))


def _writable(connection: Connection) -> None:
    """SQLite's transactions begin for writing; PostgreSQL has to be asked, and after a failover we may speak to a standby."""
    read_only = text("SELECT current_setting('transaction_read_only')")
    if connection.dialect.name == "postgresql" and connection.execute(read_only).scalar_one() == "on":
        raise StorageUnavailableError


def _run_job(connection: Connection, job: _Job, *, alone: bool) -> None:
    """One job inside the common transaction; its failure undoes only its own changes."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - tells the type checker what the engine guarantees
    noted = audit.noted(connection)
    if not alone:
        raw.execute("SAVEPOINT job")
    try:
        job.result = job.work(connection)
        audit.settle(connection)
    except Exception as error:  # noqa: BLE001 - edge of a thread: the caller gets it
        job.error = _as_refusal(error)
        audit.forget(connection, noted)
        if not alone:
            raw.execute("ROLLBACK TO job")
    if not alone:
        raw.execute("RELEASE job")


@contextmanager
def _audited(connection: Connection) -> Iterator[None]:
    """What was noted is chained last, just before the commit, or forgotten with what is rolled back."""
    try:
        yield
        audit.flush(connection)
    finally:
        audit.forget(connection)


@contextmanager
def _unaudited(connection: Connection) -> Iterator[None]:
    """A note among reads would never be written: our own mistake, and a loud one."""
    try:
        yield
        if audit.noted(connection):
            raise RuntimeError("audit.note needs Database.write")
    finally:
        audit.forget(connection)


@contextmanager
def _refusals() -> Iterator[None]:
    """Failures of the database as refusals that a caller understands."""
    try:
        yield
    except (DBAPIError, sqlite3.OperationalError, OverflowError) as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from error


def _refusal(error: Exception) -> ApiError | None:
    """None for what is our own mistake. BEGIN fails in the driver's own words, everything else in SQLAlchemy's."""
    if isinstance(error, OperationalError | sqlite3.OperationalError):
        return StorageUnavailableError()
    if isinstance(error, DBAPIError) and (error.connection_invalidated or _is_standby(error)):
        return StorageUnavailableError()
    return CannotBeKeptError() if isinstance(error, DataError | OverflowError) else None


def _is_standby(error: DBAPIError) -> bool:
    """PostgreSQL's "read-only transaction"."""
    return getattr(error.orig, "sqlstate", None) == "25006"


def _as_refusal(error: Exception) -> Exception:
    refusal = _refusal(error)
    if refusal is None:
        return error
    refusal.__cause__ = error
    return refusal


def _deliver(batch: list[_Job]) -> None:
    """One wake-up of the event loop for all results; the jobs of one database have one loop, save in tests."""
    for loop in {job.loop for job in batch}:
        jobs = [job for job in batch if job.loop is loop]
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, jobs)


def _resolve(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.cancelled():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


def _postgres_engine(url: str) -> Engine:
    return create_engine(url, pool_size=2 * _READERS, max_overflow=0, pool_pre_ping=True, hide_parameters=True)


def _sqlite_engine(url: str, *, query_only: bool) -> Engine:
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 5}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say so, not where the driver guesses
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "secure_delete=ON",
            "foreign_keys=ON",
            "busy_timeout=5000",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if query_only:
            connection.execute("PRAGMA wal_autocheckpoint=0")
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - tells the type checker what the engine guarantees
        raw.execute("BEGIN" if query_only else "BEGIN IMMEDIATE")

    return engine
