"""The desk's live stream: `ticket`, `alert` and `notice` read from their tables, `conversation` as a hint to reload.

`id:` is the outbox number, so that a desk that was away hears of every ticket it missed.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Header, Request
from sqlalchemy import Connection
from starlette.responses import StreamingResponse

from api.conversations import repository as conversations
from api.core.bus import Event
from api.core.clock import rfc3339
from api.core.context import Context, context
from api.core.models import AnyRow
from api.core.openapi import content
from api.core.principals import AnyStaff, find_principal
from api.core.security import STAFF_ROLES, Principal
from api.core.sse import HEARTBEAT, HEARTBEAT_SECONDS, RETRY, last_event_id, sse, stream_response
from api.tickets import repository as tickets
from api.tickets.handoff import repository as handoff
from api.tickets.notices import repository as notices
from api.tickets.notices.schemas import notice_item

router = APIRouter(tags=["工作台"])

_POLL_WITHOUT_REDIS = 1.0
# On PostgreSQL a lower number can become visible after a higher one; this many are looked at twice.
_LOOK_BACK = 20


class DeskStream:
    """One member of staff watching."""

    def __init__(
        self, ctx: Context, staff: Principal, after: int | None, again: Callable[[], Awaitable[Principal | None]]
    ) -> None:
        self._ctx = ctx
        self._again = again
        self._staff = staff
        self._ticket_mark = after if after is not None else -1
        self._alert_mark = -1
        self._notice_mark = -1
        self._sent: set[tuple[str, int]] = set()
        self._behind = False

    async def chunks(self) -> AsyncIterator[bytes]:
        ctx, quiet_since = self._ctx, time.monotonic()
        with ctx.bus.subscribed("desk") as subscription, ctx.metrics.streams.track_inprogress():
            await self._start()
            yield RETRY + HEARTBEAT + await self._look()
            while not ctx.bus.closing:
                seconds = HEARTBEAT_SECONDS if ctx.bus.connected else _POLL_WITHOUT_REDIS
                events: list[Event] = [] if self._behind else await subscription.wait(seconds)
                if not await self._is_still_in():
                    return
                chunk = b"".join(event.chunk for event in events) + await self._look()
                if not chunk and time.monotonic() - quiet_since >= HEARTBEAT_SECONDS:
                    chunk = HEARTBEAT
                if chunk:
                    quiet_since = time.monotonic()
                    yield chunk

    async def _is_still_in(self) -> bool:
        """A session that ended ends its stream, and other rights hold from the next event on."""
        principal = await self._again()
        if principal is None or principal.role not in STAFF_ROLES or principal.password_temporary:
            return False
        self._staff = principal
        return True

    async def _start(self) -> None:
        """Without Last-Event-ID the stream begins now: the page has just loaded its list."""
        await self._ctx.redis.seen(self._staff.id)
        newest, alert, notice = await self._ctx.db.read(
            lambda connection: (
                handoff.newest(connection),
                conversations.newest_alert(connection),
                notices.newest(connection),
            )
        )
        if self._ticket_mark < 0:
            self._ticket_mark = newest
            self._sent = {("ticket", number) for number in range(newest - _LOOK_BACK, newest + 1)}
        self._alert_mark = alert
        self._notice_mark = notice
        for kind, mark in (("alert", alert), ("notice", notice)):
            self._sent |= {(kind, number) for number in range(mark - _LOOK_BACK, mark + 1)}

    async def _look(self) -> bytes:
        def read(connection: Connection) -> bytes:
            return self._tickets(connection) + self._alerts(connection) + self._notices(connection)

        return await self._ctx.db.read(read)

    def _tickets(self, connection: Connection) -> bytes:
        chunk = b""
        rows = handoff.after(connection, max(0, self._ticket_mark - _LOOK_BACK))
        self._behind = len(rows) == handoff.PAGE
        for row in rows:
            if self._is_new("ticket", row.id) and self._may_hear(connection, row):
                told = {"ticket_no": row.ticket_no, "type": row.type, "state": row.state, "at": rfc3339(row.created_at)}
                chunk += sse("ticket", told, seq=max(row.id, self._ticket_mark))
            self._ticket_mark = max(self._ticket_mark, row.id)
        return chunk

    def _may_hear(self, connection: Connection, row: AnyRow) -> bool:
        """Of a ticket that is sealed or out of use as little as the list shows."""
        open_to_all = row.seal is None and (row.in_use or row.type in handoff.LAST_WORDS)
        return open_to_all or tickets.is_visible(connection, self._staff, row.ticket_no)

    def _alerts(self, connection: Connection) -> bytes:
        chunk = b""
        rows = conversations.alerts_after(connection, max(0, self._alert_mark - _LOOK_BACK))
        hidden = conversations.hidden_from(connection, self._staff, {row.conversation_id for row in rows})
        for row in rows:
            if self._is_new("alert", row.id) and row.conversation_id not in hidden:
                told = {"alert_id": row.id, "conversation_id": row.conversation_id, "reason": row.reason}
                chunk += sse("alert", {**told, "level": row.level, "urgent": row.urgent, "at": rfc3339(row.created_at)})
            self._alert_mark = max(self._alert_mark, row.id)
        return chunk

    def _notices(self, connection: Connection) -> bytes:
        chunk = b""
        for row in notices.after(connection, self._staff, max(0, self._notice_mark - _LOOK_BACK)):
            if self._is_new("notice", row.id):
                chunk += sse("notice", notice_item(row))
            self._notice_mark = max(self._notice_mark, row.id)
        return chunk

    def _is_new(self, kind: str, number: int) -> bool:
        if (kind, number) in self._sent:
            return False
        self._sent.add((kind, number))
        return True


@router.get(
    "/v1/desk/events", response_class=StreamingResponse, responses=content("text/event-stream", "事件流，不会结束")
)
async def desk_events(
    request: Request, staff: AnyStaff, last_event: Annotated[str | None, Header(alias="Last-Event-ID")] = None
) -> StreamingResponse:
    """工作台事件流：ticket、alert、notice、conversation。"""
    after = last_event_id(last_event, -1)
    stream = DeskStream(
        context(request), staff, after if after >= 0 else None, lambda: find_principal(request, touch=False)
    )
    return stream_response(stream.chunks())
