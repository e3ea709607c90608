"""Notices for the desk: read, and say that one has seen it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic_core import to_json
from starlette.responses import Response

from api.core.bus import Event
from api.core.context import context
from api.core.errors import NotFoundError
from api.core.paging import Cursor, cursor_of, position_of
from api.core.principals import AnyStaff, allowed
from api.core.security import Principal, Role
from api.tickets.notices import repository
from api.tickets.notices.schemas import NoticeOut, NoticePage, notice_item

router = APIRouter(tags=["提醒"])

Seer = Annotated[Principal, Depends(allowed(Role.AGENT, Role.SUPERVISOR, Role.HANDLER, Role.ADMIN))]
_LARGEST = 2**62  # beyond it neither database has a number


class NoticeNotFoundError(NotFoundError):
    """Unknown, or not for this caller."""

    code, message = "notice_not_found", "找不到这条提醒，请刷新列表。"


@router.get("/v1/notices", response_model=NoticePage)
async def list_notices(request: Request, staff: AnyStaff, open: bool = True, cursor: Cursor = None) -> Response:
    """提醒，新的在前；默认只列没有人确认过的。"""
    before = position_of(cursor)
    rows = await context(request).db.read(
        lambda connection: repository.page(connection, staff, open_only=open, before=before)
    )
    more = cursor_of(rows[-1].id) if len(rows) == repository.PAGE else None
    page = {"notices": [notice_item(row) for row in rows], "next_cursor": more}
    return Response(to_json(page), media_type="application/json")


@router.post("/v1/notices/{notice_id}/acknowledge", response_model=NoticeOut)
async def acknowledge_notice(
    request: Request, seer: Seer, notice_id: Annotated[int, Path(ge=1, le=_LARGEST)]
) -> Response:
    """确认看到；已经有人确认过的，仍记第一个人。"""
    ctx = context(request)
    now = ctx.clock.now()
    row = await ctx.db.write(lambda connection: repository.acknowledge(connection, seer, notice_id, now))
    if row is None:
        raise NoticeNotFoundError
    ctx.bus.publish("desk", Event())
    return Response(to_json(notice_item(row)), media_type="application/json")
