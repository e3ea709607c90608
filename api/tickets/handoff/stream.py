"""Events as a Redis stream, `{prefix}handoff`, for consumer groups.

An entry's id is `<position>-0`. So the stream itself knows how far it is, an entry cannot be added twice however many
processes try, and ids say the same as the cursor of the pull. Redis may lose anything: what is missing at the stream's end
is added again from the outbox, a stream that is gone is filled again with the newest events. Sealed tickets stay out, save
those of units that the settings name. A ticket's entries are deleted when its use is restricted or it is anonymised.
"""

from functools import partial

from pydantic_core import to_json
from redis.exceptions import RedisError, ResponseError
from sqlalchemy import Connection

from api.core.context import Context
from api.core.logging import get_logger
from api.core.models import AnyRow
from api.core.redis import Redis
from api.core.settings import Settings
from api.tickets.handoff import repository
from api.tickets.handoff.payload import Personal, message

logger = get_logger("handoff")

_BATCH = 100
_Word = bytes | bytearray | memoryview | str | int | float  # what redis-py takes
# Redis' own words: an entry of this or a later id is there already; the key does not exist.
_NOT_NEWER, _NO_STREAM = "equal or smaller", "no such key"


def key_of(redis: Redis) -> str:
    return f"{redis.prefix}handoff"


def sieve_of(settings: Settings) -> repository.Sieve:
    """What the stream may hold."""
    return repository.Sieve(sealed_units=settings.handoff_stream_sealed_units)


async def position_of(redis: Redis) -> int | None:
    """The last entry's position, 0 for a stream that is not there, None when Redis cannot be asked."""
    if redis.client is None:
        return None
    try:
        return await _tail(redis)
    except (RedisError, OSError):
        return None


async def _tail(redis: Redis) -> int:
    assert redis.client is not None  # noqa: S101 - callers have looked
    try:
        about = await redis.client.xinfo_stream(key_of(redis))
    except ResponseError as error:
        if _NO_STREAM in str(error):
            return 0
        raise
    return int(about["last-generated-id"].split(b"-")[0])


class Stream:
    """The publishing side; receivers make their groups themselves (docs/integration.md)."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.sieve = sieve_of(ctx.settings)
        self.key = key_of(ctx.redis)

    async def publish(self) -> None:
        """Adds what the stream lacks. Without Redis nothing happens; the events wait in the outbox."""
        client = self._ctx.redis.client
        if client is None:
            return
        try:
            after = await self._last()
            while rows := await self._ctx.db.read(
                partial(repository.page, sieve=self.sieve, after=after, limit=_BATCH)
            ):
                await self._add(rows, await self._ctx.db.read(partial(_outdated, rows=rows)))
                after = rows[-1].position
        except (RedisError, OSError) as error:
            self._ctx.metrics.redis_failures.labels("handoff").inc()
            logger.warning("handoff_stream_waits", reason=type(error).__name__)

    async def _last(self) -> int:
        """The position after which to publish. The stream is asked first: others may add to it meanwhile."""
        last = await _tail(self._ctx.redis)
        newest = await self._ctx.db.read(repository.newest_position)
        if last > newest:
            # The database is an older one than the stream's, or another: its entries would all be refused.
            client = self._ctx.redis.client
            assert client is not None  # noqa: S101 - callers have looked
            aside = f"{self.key}:before-{self._ctx.clock.now():%Y%m%d%H%M%S}"
            logger.error("handoff_stream_ahead", stream=last, database=newest, moved_to=aside)
            await client.rename(self.key, aside)
            last = 0
        return last or max(0, newest - self._ctx.settings.handoff_stream_length)

    async def _add(self, rows: list[AnyRow], outdated: dict[int, list[int]]) -> None:
        client, settings = self._ctx.redis.client, self._ctx.settings
        assert client is not None  # noqa: S101 - callers have looked
        async with client.pipeline(transaction=False) as pipeline:
            for row in rows:
                # Before what tells of it, so that whoever dies in between takes both up again.
                if gone := outdated.get(row.position):
                    pipeline.xdel(self.key, *(f"{position}-0" for position in gone))
                pipeline.xadd(
                    self.key,
                    _fields(row, settings.handoff_stream_personal),
                    id=f"{row.position}-0",
                    maxlen=settings.handoff_stream_length,
                    approximate=True,
                )
            for result in await pipeline.execute(raise_on_error=False):
                if isinstance(result, ResponseError) and _NOT_NEWER in str(result):
                    continue
                if isinstance(result, Exception):
                    raise result


def _outdated(connection: Connection, rows: list[AnyRow]) -> dict[int, list[int]]:
    """By the position of a ticket's last word: the entries that were added before it, and must not be read any more."""
    return {
        row.position: repository.positions_of(connection, row.ticket_no, row.position)
        for row in rows
        if row.type in repository.LAST_WORDS
    }


def _fields(row: AnyRow, personal: Personal) -> dict[_Word, _Word]:
    """`body` is what a webhook sends; the others are for consumers that only look."""
    told = message(row, personal)
    return {
        "id": told["id"],
        "type": told["type"],
        "ticket_no": row.ticket_no,
        "version": row.version,
        "body": to_json(told),
    }
