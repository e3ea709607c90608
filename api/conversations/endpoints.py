"""Conversations as staff see them."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection

from api.conversations import repository
from api.conversations.schemas import ConversationPage, alert_out, conversation_out
from api.core.context import context
from api.core.errors import NotFoundError
from api.core.paging import BadCursorError, decode_cursor, encode_cursor
from api.core.principals import AnyStaff, allowed
from api.core.security import Principal, Role

router = APIRouter(tags=["对话"])

Acknowledger = Annotated[Principal, Depends(allowed(Role.AGENT, Role.SUPERVISOR, Role.ADMIN))]


@router.get("/v1/conversations")
async def list_conversations(
    request: Request,
    staff: AnyStaff,
    owner: Literal["bot", "queued", "human", "human_wrapup", "closed"] | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ConversationPage:
    """对话列表，最近有变化的在前；未处理的提醒随对话一起给出。"""
    before = _position(cursor)

    def read(connection: Connection) -> ConversationPage:
        rows = repository.page(connection, owner=owner, before=before, limit=limit + 1)
        shown = rows[:limit]
        found = repository.open_alerts(connection, [row.id for row in shown])
        items = [conversation_out(row, [alert_out(a) for a in found if a.conversation_id == row.id]) for row in shown]
        more = len(rows) > limit
        last = encode_cursor(shown[-1].updated_at.isoformat(), shown[-1].id) if more else None
        return ConversationPage(conversations=items, next_cursor=last)

    return await context(request).db.read(read)


def _position(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    moment, last_id = decode_cursor(cursor, 2)
    try:
        return datetime.fromisoformat(moment), last_id
    except ValueError as error:
        raise BadCursorError from error


@router.post("/v1/alerts/{alert_id}/acknowledge", status_code=204)
async def acknowledge_alert(request: Request, staff: Acknowledger, alert_id: int) -> None:
    """确认已看到一条提醒。"""
    ctx = context(request)
    now = ctx.clock.now()
    done = await ctx.db.write(lambda connection: repository.acknowledge(connection, alert_id, who=staff.id, now=now))
    if not done:
        raise NotFoundError("没有这条未处理的提醒。")
