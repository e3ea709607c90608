"""Tells open event streams that something happened: at once inside this process, through Redis to the others.

Redis carries wake-ups without content. A stream that is woken, or that hears nothing for a while, reads the database; so
without Redis streams of other processes are late (they poll every second), never wrong.
"""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic_core import from_json, to_json
from redis.exceptions import RedisError

from api.core.logging import get_logger
from api.core.redis import Redis

logger = get_logger("bus")

_RECONNECT = 1.0  # seconds between attempts to hear from Redis again
_QUEUE = 256  # events a slow reader may fall behind before it has to read the database instead


@dataclass(frozen=True, slots=True)
class Event:
    """`chunk` is the finished SSE text; `seq` is set for what can be read again. An empty chunk only says: look."""

    chunk: bytes = b""
    seq: int | None = None


WAKE = Event()


class Subscription:
    """One stream's share of a topic."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue(_QUEUE)

    def put(self, event: Event) -> None:
        if self._queue.full():
            self.drain()
            event = WAKE
        self._queue.put_nowait(event)

    def drain(self) -> list[Event]:
        events = []
        while not self._queue.empty():
            events.append(self._queue.get_nowait())
        return events

    async def wait(self, seconds: float) -> list[Event]:
        """All events that are there; empty when nothing came in time."""
        try:
            async with asyncio.timeout(seconds):
                first = await self._queue.get()
        except TimeoutError:
            return []
        return [first, *self.drain()]


class Bus:
    """Topics are `conversation:<id>` and `desk`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._origin = secrets.token_hex(4)
        self._channel = f"{redis.prefix}wake"
        self._topics: defaultdict[str, set[Subscription]] = defaultdict(set)
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self.connected = False
        self.closing = False

    def start(self) -> None:
        if self._redis.client is not None:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._send())]

    async def stop(self) -> None:
        self.close_streams()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def close_streams(self) -> None:
        """Lets every open stream end, so that the server can stop; clients come back with Last-Event-ID."""
        self.closing = True
        for subscriptions in self._topics.values():
            for subscription in subscriptions:
                subscription.put(WAKE)

    @contextmanager
    def subscribed(self, topic: str) -> Iterator[Subscription]:
        subscription = Subscription()
        self._topics[topic].add(subscription)
        try:
            yield subscription
        finally:
            self._topics[topic].discard(subscription)
            if not self._topics[topic]:
                del self._topics[topic]

    def publish(self, topic: str, *events: Event) -> None:
        """Never waits and never fails; what is lost on the way to other processes is found by their polling."""
        self._publish_here(topic, events)
        if self.connected:
            self._outgoing.put_nowait(topic)

    def _publish_here(self, topic: str, events: tuple[Event, ...]) -> None:
        for subscription in self._topics.get(topic, ()):
            for event in events:
                subscription.put(event)

    async def _send(self) -> None:
        """Wake-ups that pile up go out together: under load one Redis call serves many turns."""
        client = self._redis.client
        assert client is not None  # noqa: S101 - started only with a client
        while True:
            topics = {await self._outgoing.get()}
            while not self._outgoing.empty():
                topics.add(self._outgoing.get_nowait())
            try:
                await client.publish(self._channel, to_json({"from": self._origin, "topics": sorted(topics)}))
            except (RedisError, OSError):
                self.connected = False

    async def _listen(self) -> None:
        client = self._redis.client
        assert client is not None  # noqa: S101 - started only with a client
        while True:
            try:
                async with client.pubsub() as pubsub:
                    await pubsub.subscribe(self._channel)
                    self.connected = True
                    while self.connected:
                        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1.0)
                        if message is not None:
                            self._receive(message["data"])
            except (RedisError, OSError) as error:
                logger.warning("bus_without_redis", reason=type(error).__name__)
            self.connected = False
            await asyncio.sleep(_RECONNECT)

    def _receive(self, data: bytes) -> None:
        wake = from_json(data)
        if wake["from"] == self._origin:
            return
        for topic in wake["topics"]:
            self._publish_here(topic, (WAKE,))
