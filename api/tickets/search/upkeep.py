"""Brings the search index up to date: after an upgrade, for tickets that an older version filed, and after a change of keys."""

from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection

from api.core.db import Database
from api.tickets.search import repository

_BATCH = 50  # tickets per transaction: some tens of milliseconds, between which everybody else gets their turn


async def keep_up(db: Database, report: Callable[[int], None] = lambda _: None) -> int:
    """How many tickets were indexed. Two at once do no harm; killed in the middle, the next run goes on."""
    done, last = 0, 0
    while ids := await db.read(partial(repository.stale, after=last, limit=_BATCH)):
        await db.write(partial(_rebuild, ids=ids))
        done, last = done + len(ids), ids[-1]
        report(done)
    return done


async def index_rest(db: Database) -> None:
    """The hourly job."""
    await keep_up(db)


def _rebuild(connection: Connection, ids: list[int]) -> None:
    for ticket_id in ids:
        repository.rebuild(connection, ticket_id)
