"""Redis, the nerve: rate limits, presence, when sessions were last used. Losing all of it loses nothing; each helper says what then happens."""

import time
from collections import defaultdict, deque
from datetime import datetime, timedelta

from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from api.core.logging import get_logger
from api.core.metrics import Metrics

logger = get_logger("redis")

_TIMEOUT = 0.5  # seconds; loopback or the same rack answers within a few milliseconds
_CONNECTIONS = 32  # beyond it a command waits for its turn
_TURN = 2.0  # seconds; a queue of our own is no sign that Redis is away
_PRESENCE = 30  # seconds for which a sign of life counts
_LEAVE_ALONE = 5.0  # seconds in which a Redis that failed is not asked about sessions: no click waits for it twice
_LOCAL_KEYS = 10_000  # callers remembered by the fallback; beyond it, it starts afresh


class Redis:
    """Works with Redis, Sentinel or Cluster: one key prefix with a hash tag, database 0."""

    def __init__(self, url: str | None, prefix: str, metrics: Metrics) -> None:
        self.prefix = prefix
        self._metrics = metrics
        self._hits: defaultdict[str, deque[float]] = defaultdict(deque)
        self._sessions_again = 0.0
        self.client: Client | None = None
        if url:
            pool = BlockingConnectionPool.from_url(
                url, max_connections=_CONNECTIONS, timeout=_TURN,
                socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, retry=Retry(NoBackoff(), 0),
            )  # fmt: skip
            self.client = Client.from_pool(pool)

    async def ping(self) -> bool:
        """False when Redis is down or was never there."""
        if self.client is None:
            return False
        try:
            return bool(await self.client.ping())
        except (RedisError, OSError):
            return False

    async def allow(self, key: str, *, limit: int, seconds: int) -> bool:
        """Counts a call and says whether it is within `limit` per `seconds`.

        Without Redis each process counts for itself: with n processes up to n times the limit passes, never none.
        """
        if self.client is None:
            return self._allow_locally(key, limit, seconds)
        name = self._rate_name(key, seconds)
        try:
            async with self.client.pipeline(transaction=False) as pipeline:
                pipeline.incr(name)
                pipeline.expire(name, seconds)
                count, _ = await pipeline.execute()
        except (RedisError, OSError):
            self._failed("rate")
            return self._allow_locally(key, limit, seconds)
        return int(count) <= limit

    async def used_up(self, key: str, *, limit: int, seconds: int) -> bool:
        """Whether `allow` has counted `limit` calls already, without counting one. Without Redis: as `allow`."""
        if self.client is None:
            return self._count_locally(key, seconds) >= limit
        try:
            count = await self.client.get(self._rate_name(key, seconds))
        except (RedisError, OSError):
            self._failed("rate")
            return self._count_locally(key, seconds) >= limit
        return int(count or 0) >= limit

    async def take_back(self, key: str, *, seconds: int) -> None:
        """One call that `allow` counted was none of those that count."""
        if hits := self._hits.get(key):
            hits.pop()
        if self.client is None:
            return
        name = self._rate_name(key, seconds)
        try:
            async with self.client.pipeline(transaction=False) as pipeline:
                pipeline.decr(name)
                pipeline.expire(name, seconds)
                await pipeline.execute()
        except (RedisError, OSError):
            self._failed("rate")

    async def forget(self, key: str, *, seconds: int) -> None:
        """Takes back what `allow` counted. Without Redis only this process forgets; the others' counts run out."""
        self._hits.pop(key, None)
        if self.client is None:
            return
        try:
            await self.client.delete(self._rate_name(key, seconds))
        except (RedisError, OSError):
            self._failed("rate")

    def allow_here(self, key: str, *, limit: int, seconds: int) -> bool:
        """As `allow`, counted by this process alone and without a word to Redis: for every call of a caller."""
        return self._allow_locally(key, limit, seconds)

    async def see_session(self, token_hash: str, now: datetime, idle: timedelta) -> None:
        """Remembers to the second when a session was last used. Without Redis the session's own row knows to the minute."""
        if self.client is None or time.monotonic() < self._sessions_again:
            return
        try:
            life = max(1, int(idle.total_seconds() * 1000))
            await self.client.set(f"{self.prefix}session:{token_hash}", now.isoformat(), px=life)
        except (RedisError, OSError):
            self._failed("session")
            self._sessions_again = time.monotonic() + _LEAVE_ALONE

    async def session_seen(self, token_hash: str) -> datetime | None:
        """None when Redis does not know, or is not there."""
        if self.client is None or time.monotonic() < self._sessions_again:
            return None
        try:
            found = await self.client.get(f"{self.prefix}session:{token_hash}")
        except (RedisError, OSError):
            self._failed("session")
            self._sessions_again = time.monotonic() + _LEAVE_ALONE
            return None
        return datetime.fromisoformat(found.decode()) if isinstance(found, bytes) else None

    async def seen(self, who: str) -> None:
        """Marks a member of staff as present. Without Redis nothing happens, and nobody counts as present."""
        if self.client is None:
            return
        try:
            await self.client.zadd(f"{self.prefix}presence", {who: time.time()})
        except (RedisError, OSError):
            self._failed("presence")

    async def present(self) -> set[str]:
        """Staff seen lately. Without Redis: nobody, so that no customer is promised a human who is not there."""
        if self.client is None:
            return set()
        try:
            now = time.time()
            members = await self.client.zrangebyscore(f"{self.prefix}presence", now - _PRESENCE, now + _PRESENCE)
        except (RedisError, OSError):
            self._failed("presence")
            return set()
        return {str(member, "utf-8") for member in members if isinstance(member, bytes)}

    async def close(self) -> None:
        if self.client is not None:
            await self.client.aclose()

    def _rate_name(self, key: str, seconds: int) -> str:
        return f"{self.prefix}rate:{key}:{int(time.time() // seconds)}"

    def _allow_locally(self, key: str, limit: int, seconds: int) -> bool:
        self._hits[key].append(time.monotonic())
        return self._count_locally(key, seconds) <= limit

    def _count_locally(self, key: str, seconds: int) -> int:
        if len(self._hits) > _LOCAL_KEYS:
            self._hits.clear()
        hits, oldest = self._hits[key], time.monotonic() - seconds
        while hits and hits[0] < oldest:
            hits.popleft()
        return len(hits)

    def _failed(self, use: str) -> None:
        self._metrics.redis_failures.labels(use).inc()
        logger.warning("redis_unavailable", use=use)
