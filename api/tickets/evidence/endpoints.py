"""Evidence on tickets, for staff."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse

from api.core.errors import InvalidError
from api.core.openapi import content
from api.core.principals import AnyStaff, allowed
from api.core.security import Principal, Role
from api.tickets.evidence.schemas import staff_item
from api.tickets.evidence.service import Evidence
from api.tickets.outputs import StaffFileOut

router = APIRouter(tags=["工单"])

# Auditors read and do not add.
Adder = Annotated[Principal, Depends(allowed(Role.AGENT, Role.SUPERVISOR, Role.HANDLER, Role.ADMIN))]

_FILE = {"type": "string", "format": "binary", "description": "一个文件，类型和大小见 playbook/evidence.yml"}
_FROM_CUSTOMER = {"type": "boolean", "default": False, "description": "客户提供的材料：兑现补充材料的承诺，并重新计时"}


def _form(**properties: dict[str, Any]) -> dict[str, Any]:
    """FastAPI would read the body before it knows who is calling; so the form is described here and read later."""
    schema = {"type": "object", "required": ["file"], "properties": {"file": _FILE, **properties}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


FORM = _form()
_YES_NO = {"true": True, "false": False}
TAKES_FILES: dict[int | str, dict[str, Any]] = {408: {}, 415: {}}
GIVES_FILES = content("*/*", "文件，只作为附件保存") | {410: {}, 500: {}}


def evidence(request: Request) -> Evidence:
    found: Evidence = request.app.state.evidence
    return found


@router.post(
    "/v1/tickets/{ticket_no}/attachments",
    status_code=201,
    response_model=StaffFileOut,
    responses=TAKES_FILES,
    openapi_extra=_form(from_customer=_FROM_CUSTOMER),
)
async def add_attachment(request: Request, by: Adder, ticket_no: str) -> Response:
    """给工单添加材料；客户当面或来信提供的，请加上 from_customer。"""
    room = evidence(request)
    ticket = await room.ctx.db.read(lambda connection: room.visible(connection, ticket_no, by))
    received = await room.receiving.receive(request, who=by.id, ticket=ticket)
    told = received.fields.get("from_customer", "false").lower()
    if told not in _YES_NO:
        raise InvalidError("from_customer 只能是 true 或 false，请修改后再传。")
    row = await room.add_to_ticket(ticket.ticket_no, received, by=by, from_customer=_YES_NO[told])
    return Response(to_json(staff_item(row)), 201, media_type="application/json")


@router.get(
    "/v1/tickets/{ticket_no}/attachments/{attachment_id}", response_class=StreamingResponse, responses=GIVES_FILES
)
async def read_attachment(request: Request, staff: AnyStaff, ticket_no: str, attachment_id: str) -> StreamingResponse:
    """下载工单的附件：只作为文件保存，不在页面里打开；每次下载都留痕。"""
    room = evidence(request)
    row = await room.ctx.db.write(lambda connection: room.of_ticket(connection, ticket_no, attachment_id, staff))
    return await room.give(row)
