"""Conversations as staff see them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection

from api.conversations import repository
from api.conversations.schemas import ConversationPage, alert_out, conversation_out
from api.core.context import context
from api.core.errors import NotFoundError
from api.core.paging import MomentCursor, moment_cursor_of, moment_of
from api.core.principals import AnyStaff, allowed
from api.core.security import Principal, Role

router = APIRouter(tags=["对话"])

Acknowledger = Annotated[Principal, Depends(allowed(Role.AGENT, Role.SUPERVISOR, Role.ADMIN))]


@router.get("/v1/conversations")
async def list_conversations(
    request: Request,
    staff: AnyStaff,
    owner: Literal["bot", "queued", "human", "human_wrapup", "closed"] | None = None,
    cursor: MomentCursor = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ConversationPage:
    """对话列表，最近有变化的在前；未处理的提醒随对话一起给出。

    看不到其工单的对话不列出，所以一页可能不满（甚至为空）而仍有 next_cursor：还没翻完，请接着取。
    """
    before = moment_of(cursor)

    def read(connection: Connection) -> ConversationPage:
        rows = repository.page(connection, owner=owner, before=before, limit=limit + 1)
        hidden = repository.hidden_from(connection, staff, [row.id for row in rows])
        shown = [row for row in rows[:limit] if row.id not in hidden]
        found = repository.open_alerts(connection, [row.id for row in shown])
        items = [conversation_out(row, [alert_out(a) for a in found if a.conversation_id == row.id]) for row in shown]
        more = len(rows) > limit
        last = moment_cursor_of(rows[limit - 1].updated_at, rows[limit - 1].id) if more else None
        return ConversationPage(conversations=items, next_cursor=last)

    return await context(request).db.read(read)


@router.post("/v1/alerts/{alert_id}/acknowledge", status_code=204)
async def acknowledge_alert(request: Request, staff: Acknowledger, alert_id: int) -> None:
    """确认已看到一条提醒。"""
    ctx = context(request)
    now = ctx.clock.now()

    def acknowledge(connection: Connection) -> bool:
        alert = repository.alert(connection, alert_id)
        if alert is None or repository.hidden_from(connection, staff, [alert.conversation_id]):
            return False
        return repository.acknowledge(connection, alert_id, who=staff.id, now=now)

    if not await ctx.db.write(acknowledge):
        raise NotFoundError("没有这条未处理的提醒。")
