"""Events as a Redis stream, `{prefix}handoff`, for consumer groups.

An entry's id is `<position>-0`. So the stream itself knows how far it is, an entry cannot be added twice however many
processes try, and ids say the same as the cursor of the pull. Redis may lose anything: what is missing at the stream's end
is added again from the outbox, a stream that is gone is filled again with the newest events. Sealed tickets stay out, save
those of units that the settings name. A ticket's entries are deleted when its use is restricted or it is anonymised.
"""

from contextlib import suppress
from functools import partial

from pydantic_core import to_json
from redis.asyncio import Redis as Client
from redis.exceptions import RedisError, ResponseError, WatchError
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
_NO_STREAM = "no such key"  # Redis' own words


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
            while await self._publish_next(client):
                pass
        except (RedisError, OSError) as error:
            self._ctx.metrics.redis_failures.labels("handoff").inc()
            logger.warning("handoff_stream_waits", reason=type(error).__name__)

    async def _last(self) -> int:
        """The position after which to publish. The stream is asked first: others may add to it meanwhile."""
        last = await _tail(self._ctx.redis)
        given = await self._ctx.db.read(repository.last_position)
        if last > given:
            # The database is an older one than the stream's, or another: its entries would all be refused.
            client = self._ctx.redis.client
            assert client is not None  # noqa: S101 - callers have looked
            aside = f"{self.key}:before-{self._ctx.clock.now():%Y%m%d%H%M%S}"
            logger.error("handoff_stream_ahead", stream=last, database=given, moved_to=aside)
            await client.rename(self.key, aside)
            last = 0
        length = self._ctx.settings.handoff_stream_length
        return last or await self._ctx.db.read(partial(repository.position_before_newest, count=length))

    async def _publish_next(self, client: Client) -> bool:
        """The next events right behind the last entry, all of them or none; False when there are none.

        An entry that is refused or lost while later ones are taken would be missing for ever: the end of the stream is where
        the next look begins.
        """
        settings = self._ctx.settings
        async with client.pipeline(transaction=True) as pipeline:
            await pipeline.watch(self.key)
            after = await self._last()
            rows = await self._ctx.db.read(partial(repository.page, sieve=self.sieve, after=after, limit=_BATCH))
            if not rows:
                return False
            outdated = await self._ctx.db.read(partial(_outdated, rows=rows))
            pipeline.multi()  # type: ignore[no-untyped-call]
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
            with suppress(WatchError):  # somebody else has added to it, or it is gone: look again where it ends
                await pipeline.execute()
        return True


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
