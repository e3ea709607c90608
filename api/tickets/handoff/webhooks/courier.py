"""Delivers: each webhook has its own queue in this process, so that a slow receiver keeps only itself waiting.

What is to be sent stands in SQL, and a lease on a row says who is at it. A process that is killed leaves its leases to end;
then somebody else sends the same event again under the same id. So it arrives at least once, and twice at worst.
"""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx
from pydantic_core import to_json
from sqlalchemy import Connection

from api.core.bus import Event
from api.core.clock import SKEW
from api.core.context import Context
from api.core.errors import ApiError
from api.core.logging import describe, get_logger
from api.core.models import AnyRow
from api.core.security import new_id
from api.tickets.handoff.payload import message
from api.tickets.handoff.webhooks import repository
from api.tickets.handoff.webhooks.sending import Outcome, Sender
from api.tickets.notices import repository as notices

logger = get_logger("webhooks")

_AT_ONCE = 4  # deliveries to one webhook at a time, of different tickets
_LEASE = 3  # times the longest attempt
_LONGEST_WISH = 86_400.0  # seconds of a Retry-After that are obeyed at most


@dataclass(slots=True)
class _Queue:
    """A webhook that is being served; `more`: look for more to send."""

    more: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Courier:
    """One process's share of the deliveries."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._me = new_id()
        self._lease = timedelta(seconds=_LEASE * ctx.settings.webhook_timeout + 10)
        self._queues: dict[str, _Queue] = {}
        self._set_right_at: datetime | None = None
        self.sender = Sender(ctx.settings)

    async def start(self) -> None:
        """A SQLite file has one process: leases that are left were its own before it was killed."""
        if self._ctx.db.is_sqlite:
            await self._ctx.db.write(repository.give_up_leases)

    async def stop(self) -> None:
        tasks = [queue.task for queue in self._queues.values() if queue.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(ApiError):
            await self._ctx.db.write(lambda connection: repository.give_up_leases(connection, self._me))

    async def look(self) -> None:
        """Wakes the queue of every webhook with something to do."""
        now = self._ctx.clock.now()
        await self._set_right(now)
        for row in await self._ctx.db.read(lambda connection: repository.due_webhooks(connection, now)):
            if (queue := self._queues.get(row.id)) is not None:
                queue.more.set()
            else:
                queue = self._queues[row.id] = _Queue()
                queue.task = asyncio.create_task(self._serve(row.id, queue.more))
                queue.task.add_done_callback(partial(self._ended, row.id))

    async def _set_right(self, now: datetime) -> None:
        """At the start, when the clock has been set back, and every minute, because another machine's may have been wrong."""
        if self._set_right_at is None or not self._set_right_at <= now < self._set_right_at + SKEW:
            await self._ctx.db.write(lambda connection: repository.set_right(connection, now, self._lease))
            self._set_right_at = now

    def _ended(self, webhook_id: str, task: asyncio.Task[None]) -> None:
        del self._queues[webhook_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("webhook_queue_failed", webhook=webhook_id, **describe(error))

    async def _serve(self, webhook_id: str, more: asyncio.Event) -> None:
        """Until nothing is left that may be sent now; what comes meanwhile does not wait for what is slow."""
        async with self.sender.client() as client, asyncio.TaskGroup() as group:
            under_way: set[asyncio.Task[Any]] = set()
            while True:
                more.clear()
                if (free := _AT_ONCE - len(under_way)) > 0:
                    for delivery in await self._claim(webhook_id, free):
                        under_way.add(group.create_task(self._quietly(client, delivery)))
                if not under_way:
                    return
                told = group.create_task(more.wait())
                await asyncio.wait({*under_way, told}, return_when=asyncio.FIRST_COMPLETED)
                told.cancel()
                under_way = {task for task in under_way if not task.done()}

    async def _quietly(self, client: httpx.AsyncClient, delivery: AnyRow) -> None:
        """Whatever went wrong on our side (the database is away): the lease ends, and then it is tried again."""
        try:
            await self._deliver(client, delivery)
        except Exception as error:  # noqa: BLE001 - edge of a task: the queue's other deliveries go on
            logger.warning("webhook_delivery_failed", webhook=delivery.webhook_id, **describe(error))

    async def _claim(self, webhook_id: str, limit: int) -> list[AnyRow]:
        now = self._ctx.clock.now()
        return await self._ctx.db.write(
            lambda connection: repository.claim(
                connection, webhook_id, by=self._me, now=now, until=now + self._lease, limit=limit
            )
        )

    async def _deliver(self, client: httpx.AsyncClient, delivery: AnyRow) -> None:
        found = await self._ctx.db.read(lambda connection: repository.to_send(connection, delivery))
        if found is None:
            await self._ctx.db.write(lambda connection: repository.withhold(connection, delivery, by=self._me))
            return
        webhook, row = found
        body = to_json(message(row, webhook.personal))
        signing = secrets_of(webhook, self._ctx.clock.now())
        outcome = await self.sender.send(client, webhook.url, signing, row.event_id, body)
        told = await self._ctx.db.write(lambda connection: self._keep(connection, webhook, delivery, outcome))
        self._ctx.metrics.webhooks.labels("delivered" if outcome.delivered else "failed").inc()
        if told:
            self._ctx.bus.publish("desk", Event())

    def _keep(self, connection: Connection, webhook: AnyRow, delivery: AnyRow, outcome: Outcome) -> bool:
        """Whether somebody has to hear of it."""
        now = self._ctx.clock.now()
        if outcome.delivered:
            repository.delivered(connection, delivery, by=self._me, status=outcome.status, now=now)
            return False
        next_at = now if outcome.gone else self._next(delivery.attempts + 1, outcome, now)
        pause = self._ctx.settings.webhook_retries[0] if outcome.outage else None
        result = repository.Result(outcome.status, outcome.error, next_at, pause)
        if not repository.failed(connection, delivery, by=self._me, result=result, now=now):
            return False
        if outcome.gone:
            repository.disable(connection, webhook.id, "接收方答复不再接收（410）", now)
            return _notice(
                connection,
                webhook,
                "gone",
                f"推送“{webhook.name}”的接收方答复不再接收（410），已停用；事件继续保留，启用后补送。",
                now,
            )
        if next_at is None:
            return _notice(
                connection,
                webhook,
                "dead",
                f"推送“{webhook.name}”有事件多次投递失败，不再自动重试；请检查接收方，修好后在推送管理里重新投递。",
                now,
            )
        return False

    def _next(self, attempts: int, outcome: Outcome, now: datetime) -> datetime | None:
        """None after the last try. A receiver may ask for more patience, not for less, and for a day at most."""
        settings = self._ctx.settings
        if attempts > len(settings.webhook_retries):
            return None
        jitter = 1 + settings.webhook_jitter * random.random()  # noqa: S311 - spreads load, keeps no secret
        wait = settings.webhook_retries[attempts - 1] * jitter
        wished = min(outcome.retry_after or 0.0, _LONGEST_WISH)
        return now + timedelta(seconds=max(wait, wished))


def secrets_of(webhook: AnyRow, now: datetime) -> list[str]:
    """What to sign with: the secret, and the one before it while receivers change over."""
    if webhook.old_secret and webhook.old_secret_until and now < webhook.old_secret_until:
        return [webhook.secret, webhook.old_secret]
    return [webhook.secret]


def _notice(connection: Connection, webhook: AnyRow, kind: str, text: str, now: datetime) -> bool:
    """One an hour for each webhook: a thousand dead letters are one thing to look at."""
    return notices.add(
        connection,
        kind=f"webhook_{kind}",
        text=text,
        level=3,
        unique_key=f"webhook:{kind}:{webhook.id}:{now:%Y%m%d%H}",
        now=now,
    )
