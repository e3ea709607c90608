"""The customer's files: uploaded first, then sent in a message, and given back to the same conversation."""

from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import StreamingResponse

from api.channels.web.verification import Customer
from api.core.context import Context
from api.core.errors import RateLimitedError
from api.dialogue import repository
from api.dialogue.errors import ConversationClosedError
from api.dialogue.turns import Turns
from api.tickets.evidence.endpoints import FORM, GIVES_FILES, TAKES_FILES, evidence
from api.tickets.evidence.schemas import AttachmentOut, sender_item
from api.tickets.evidence.service import CUSTOMER, Said

router = APIRouter(tags=["客户"])


@router.post("/v1/conversations/{conversation_id}/attachments", status_code=201, openapi_extra=FORM, responses=TAKES_FILES)
async def upload_attachment(
    request: Request, ctx: Customer, conversation_id: str
) -> AttachmentOut:
    """上传一个文件：看内容定类型，去掉拍摄地点等信息，查毒，存好之后才回 201；再用 attachment_ids 发出去。"""
    if not await ctx.redis.allow(f"uploads:{conversation_id}", limit=ctx.settings.uploads_per_minute, seconds=60):
        raise RateLimitedError(60)
    await ctx.db.read(lambda connection: _check_open(connection, conversation_id))
    room = evidence(request)
    await room.check_room(conversation_id)
    received = await room.receiving.receive(request, who=CUSTOMER)
    return AttachmentOut(**sender_item(await room.add_to_conversation(conversation_id, received)))


def _check_open(connection: Connection, conversation_id: str) -> None:
    if repository.head(connection, conversation_id).owner == "closed":
        raise ConversationClosedError


async def send_attachments(request: Request, ctx: Context, conversation_id: str, client_id: str, ids: list[str]) -> int:
    """A message of files. Returns its sequence number; the files are with the ticket then, if there is one."""
    room, turns, now = evidence(request), request.app.state.turns, ctx.clock.now()
    said: list[Said] = []

    def say(connection: Connection, ticket_no: str | None) -> tuple[list[dict[str, Any]], str]:
        said[:] = [room.say(connection, conversation_id, ticket_no, ids, now)]
        return said[0].items, _thanks(said[0])

    assert isinstance(turns, Turns)  # noqa: S101 - the app puts it there
    seq = await turns.accept_files(conversation_id, client_id, say)
    if said and said[0].ticket is not None:
        room.tickets.announce(said[0].ticket)
    return seq


def _thanks(said: Said) -> str:
    count = len(said.items)
    if said.ticket is not None:
        return f"收到{count}个附件，已放进工单{said.ticket.ticket_no}，经办同事会看到。"
    return f"收到{count}个附件，登记时会一并放进您的工单。您可以接着说。"


@router.get("/v1/conversations/{conversation_id}/attachments/{attachment_id}", response_class=StreamingResponse, responses=GIVES_FILES)
async def download_attachment(
    request: Request, ctx: Customer, conversation_id: str, attachment_id: str
) -> StreamingResponse:
    """下载自己在这次对话里发过的文件。"""
    room = evidence(request)
    return await room.give(await room.of_conversation(conversation_id, attachment_id))
