"""What staff say of suggestions."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic_core import to_json
from sqlalchemy import Connection
from starlette.responses import Response

from api.core import audit
from api.core.context import context
from api.core.errors import NotFoundError
from api.core.models import AnyRow
from api.core.principals import allowed
from api.core.security import Principal, Role
from api.tickets.errors import TicketNotFoundError
from api.tickets.links import repository
from api.tickets.numbers import normal_number
from api.tickets.outputs import DismissedOut
from api.tickets.recusal import check_dismisser
from api.tickets.repository import find
from api.tickets.schemas import wire

router = APIRouter(tags=["工单"])

Desk = Annotated[Principal, Depends(allowed(Role.AGENT, Role.SUPERVISOR, Role.HANDLER, Role.ADMIN))]


class RelatedNotFoundError(NotFoundError):
    """Nothing of this kind was suggested, or not to this caller."""

    code, message = "related_not_found", "这张工单没有把那一张列为可能相关，请核对工单号。"


@router.post("/v1/tickets/{ticket_no}/related/{other_no}/dismiss", response_model=DismissedOut)
async def dismiss_related(request: Request, by: Desk, ticket_no: str, other_no: str) -> Response:
    """说明“可能相关”的那一张不是同一件事：两张工单都不再提示，留痕；已经有人说明过的，仍记第一个人。"""
    ctx = context(request)
    now = ctx.clock.now()
    pair = [normal_number(number) or number for number in (ticket_no, other_no)]

    def dismiss(connection: Connection) -> AnyRow:
        for number, missing in zip(pair, (TicketNotFoundError, RelatedNotFoundError), strict=True):
            ticket = find(connection, number, seen_by=by)
            if ticket is None:
                raise missing
            check_dismisser(by, ticket)
        link, is_new = repository.dismiss(connection, *pair, who=by.id, now=now)
        if link is None:
            raise RelatedNotFoundError
        for number, other in (pair, pair[::-1]) if is_new else ():
            changes = {"related": (other, None)}
            audit.note(connection, who=by.id, action="ticket.unrelate", subject=number, now=now, changes=changes)
        return link

    link = await ctx.db.write(dismiss)
    shown = {name: getattr(link, name) for name in ("dismissed_at", "dismissed_by")}
    return Response(to_json(wire({"ticket_no": pair[0], "other_no": pair[1], **shown})), media_type="application/json")
