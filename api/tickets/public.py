"""Progress for whoever holds the number and the phone's last four digits."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic_core import to_json
from sqlalchemy import Connection
from starlette.responses import Response

from api.core.context import client_address
from api.core.errors import RateLimitedError
from api.core.models import AnyRow
from api.core.principals import find_principal
from api.core.redaction import restore
from api.core.security import Role
from api.tickets import repository, views
from api.tickets.access import check_tail
from api.tickets.endpoints import service
from api.tickets.errors import PublicTicketNotFoundError
from api.tickets.links.repository import living
from api.tickets.numbers import normal_number
from api.tickets.outputs import ProgressOut

router = APIRouter(tags=["客户"])

# Ten thousand tails: at ten wrong tries per ten minutes and number a search takes a week, and shows in the metrics.
_TRIES, _TRIES_SECONDS = 10, 600
_CALLS, _CALLS_SECONDS = 120, 60


@router.get("/v1/public/tickets/{ticket_no}", response_model=ProgressOut)
async def read_progress(
    request: Request,
    ticket_no: str,
    phone_tail: Annotated[str, Query(max_length=32)] = "",
    conversation_id: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """办理进度；工单号不存在和手机尾号不对，回答一样。"""
    tickets = service(request)
    caller = await find_principal(request)
    by_bot = caller is not None and caller.role is Role.INTERNAL
    number = normal_number(ticket_no)
    # Unknown numbers are counted like known ones, or the limit itself would tell them apart.
    shown = number or ticket_no[:40]
    await _limit(request, shown, conversation_id if by_bot else None)

    def read(connection: Connection) -> tuple[AnyRow, AnyRow | None]:
        tail = phone_tail
        if by_bot and conversation_id is not None:
            tail = restore(tail, tickets.values_of(connection, conversation_id))
        row = repository.find(connection, number) if number else None
        # Whoever filed it holds the conversation's token, and may have withheld the phone.
        own = by_bot and row is not None and row.conversation_id == conversation_id
        if not own:
            check_tail(row.phone if row else None, tail)
        if row is None:
            raise PublicTicketNotFoundError
        return row, living(connection, number)

    try:
        row, there = await tickets.ctx.db.read(read)
    except PublicTicketNotFoundError:
        await tickets.ctx.redis.allow(f"tail:{shown}", limit=_TRIES, seconds=_TRIES_SECONDS)
        raise
    return Response(to_json(views.public(row, tickets.ctx.clock.now(), there)), media_type="application/json")


async def _limit(request: Request, number: str, conversation_id: str | None) -> None:
    """By caller (the conversation, when the bot asks for it), and by number for wrong tails."""
    redis = service(request).ctx.redis
    caller = f"conversation:{conversation_id}" if conversation_id else client_address(request)
    if not await redis.allow(f"progress:{caller}", limit=_CALLS, seconds=_CALLS_SECONDS):
        raise RateLimitedError(_CALLS_SECONDS)
    if await redis.used_up(f"tail:{number}", limit=_TRIES, seconds=_TRIES_SECONDS):
        raise RateLimitedError(_TRIES_SECONDS)
