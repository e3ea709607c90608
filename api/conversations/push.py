"""A conversation as an event stream that can be resumed without a gap.

Messages carry their sequence number as `id:`; `owner`, `ticket` and `typing` are states, repeated when a stream opens.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable

from sqlalchemy import Connection

from api.core.bus import Event, Subscription
from api.core.context import Context
from api.core.sse import HEARTBEAT, HEARTBEAT_SECONDS, RETRY, sse
from api.dialogue import repository
from api.dialogue.turns import topic

_POLL_WITHOUT_REDIS = 1.0


class ConversationStream:
    """One reader of one conversation; `again` says whether one who is not its customer may still read."""

    def __init__(
        self, ctx: Context, conversation_id: str, after: int, again: Callable[[], Awaitable[bool]] | None = None
    ) -> None:
        self._ctx = ctx
        self._id = conversation_id
        self._again = again
        self._last = after
        self._behind = False
        self._owner: str | None = None
        self._ticket: str | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        bus, quiet_since = self._ctx.bus, time.monotonic()
        with bus.subscribed(topic(self._id)) as subscription, self._ctx.metrics.streams.track_inprogress():
            yield RETRY + await self._look()
            while not bus.closing:
                chunk = await self._next(subscription)
                if self._again is not None and not await self._again():
                    return
                if not chunk and time.monotonic() - quiet_since >= HEARTBEAT_SECONDS:
                    chunk = HEARTBEAT
                if chunk:
                    quiet_since = time.monotonic()
                    yield chunk

    async def _next(self, subscription: Subscription) -> bytes:
        """What to send now; may be nothing. Whatever the bus may have missed is found by looking into the table."""
        if self._behind:
            return await self._look()
        seconds = HEARTBEAT_SECONDS if self._ctx.bus.connected else _POLL_WITHOUT_REDIS
        events = await subscription.wait(seconds)
        if not events or any(self._leaves_a_gap(event) for event in events):
            return await self._look()
        chunk = b""
        for event in events:
            if event.seq is None or event.seq == self._last + 1:
                chunk += event.chunk
                self._last = event.seq or self._last
            elif event.seq > self._last:
                return chunk + await self._look()
        return chunk

    @staticmethod
    def _leaves_a_gap(event: Event) -> bool:
        return not event.chunk

    async def _look(self) -> bytes:
        """A page of what comes after the last message sent, and owner and ticket when they are not what was told last."""

        def read(connection: Connection) -> tuple[list[Event], str, str | None]:
            found = repository.read_messages(connection, self._id, after=self._last)
            head = repository.head(connection, self._id)
            return [message.event() for message in found], head.owner, head.ticket_no

        events, owner, ticket = await self._ctx.db.read(read)
        self._behind = len(events) == repository.MESSAGES_PAGE
        chunk = b"".join(event.chunk for event in events)
        if events:
            self._last = events[-1].seq or self._last
        if owner != self._owner:
            self._owner = owner
            chunk += sse("owner", {"owner": owner})
        if ticket != self._ticket:
            self._ticket = ticket
            chunk += sse("ticket", {"ticket_no": ticket})
        return chunk
