"""Requests about personal data; only administrators and auditors decide on them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic_core import to_json
from sqlalchemy import Connection
from starlette.responses import Response

from api.core import audit
from api.core.clock import rfc3339
from api.core.context import context
from api.core.openapi import content
from api.core.principals import allowed
from api.core.security import Principal, Role
from api.tickets import repository as tickets
from api.tickets.errors import TicketNotFoundError
from api.tickets.numbers import normal_number
from api.tickets.privacy import consent, repository
from api.tickets.privacy.errors import AnonymisedError, NotHeldError
from api.tickets.privacy.person import Persons
from api.tickets.privacy.schemas import DeletionIn, HoldIn, PersonIn, WithdrawalIn
from api.tickets.privacy.withdrawal import withdraw
from api.tickets.recusal import check_keeper
from contract.playbook import Playbook

router = APIRouter(tags=["个人信息"])

Decider = Annotated[Principal, Depends(allowed(Role.AUDITOR, Role.ADMIN))]
Desk = Annotated[Principal, Depends(allowed(Role.AGENT, Role.SUPERVISOR, Role.HANDLER, Role.ADMIN))]


def persons(request: Request) -> Persons:
    found: Persons = request.app.state.persons
    return found


def _json(value: Any, status: int = 200) -> Response:
    return Response(to_json(value), status, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/v1/public/consent-notice", response_model=dict[str, Any])
async def read_notice(request: Request) -> Response:
    """现在使用的《个人信息处理说明》：版本、文字、目的。"""
    playbook: Playbook = request.app.state.playbook
    return _json(consent.notice_out(playbook.consent.on(context(request).clock.now().date())))


@router.post(
    "/v1/privacy/exports", response_class=Response, responses={**content("application/zip", "压缩文件"), 404: {}}
)
async def export_person(request: Request, by: Decider, body: PersonIn) -> Response:
    """导出一个人的全部个人信息（zip，内为 JSON）：工单、告知客户的经过、对话、同意记录、材料清单、谁看过。留痕。"""
    content = await persons(request).export(body, by)
    name = f"person-{context(request).clock.now():%Y%m%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type="application/zip", headers=headers)


@router.post("/v1/privacy/deletions", response_model=dict[str, Any], responses={404: {}})
async def delete_person(request: Request, by: Decider, body: DeletionIn) -> Response:
    """删除一个人的个人信息；依法须保留的说明理由和期限，并限制使用（除存储和必要的安全措施外不再处理）。留痕。"""
    return _json(await persons(request).delete(body, by))


@router.post("/v1/privacy/holds", status_code=201, response_model=dict[str, Any], responses={404: {}})
async def hold_ticket(request: Request, by: Decider, body: HoldIn) -> Response:
    """保全一张工单（诉讼、调查）：到期也不去除个人信息，直到解除。"""
    ctx, now = context(request), context(request).clock.now()

    def hold(connection: Connection) -> dict[str, Any]:
        row = repository.locked(connection, normal_number(body.ticket_no) or body.ticket_no)
        if row is None:
            raise TicketNotFoundError
        check_keeper(by, [row])
        if row.anonymised_at is not None:
            raise AnonymisedError
        marks = {"legal_hold_at": now, "legal_hold_by": by.id, "legal_hold_reason": body.reason}
        repository.mark(connection, row.ticket_no, marks)
        audit.note(connection, who=by.id, action="ticket.hold", subject=row.ticket_no, now=now, reason=body.reason)
        return {"ticket_no": row.ticket_no, "held_at": rfc3339(now), "held_by": by.id, "reason": body.reason}

    return _json(await ctx.db.write(hold), 201)


@router.delete("/v1/privacy/holds/{ticket_no}", status_code=204)
async def lift_hold(request: Request, by: Decider, ticket_no: str) -> None:
    """解除保全。"""
    ctx, now = context(request), context(request).clock.now()

    def lift(connection: Connection) -> None:
        row = repository.locked(connection, normal_number(ticket_no) or ticket_no)
        if row is None:
            raise TicketNotFoundError
        check_keeper(by, [row])
        if row.legal_hold_at is None:
            raise NotHeldError
        nothing = dict.fromkeys(("legal_hold_at", "legal_hold_by", "legal_hold_reason"))
        repository.mark(connection, row.ticket_no, nothing)
        audit.note(connection, who=by.id, action="ticket.release", subject=row.ticket_no, now=now)

    await ctx.db.write(lift)


@router.post("/v1/tickets/{ticket_no}/consent/withdraw", response_model=dict[str, Any])
async def withdraw_for_customer(request: Request, by: Desk, ticket_no: str, body: WithdrawalIn) -> Response:
    """客户在电话或柜面撤回同意，由工作人员登记。"""
    ctx, now = context(request), context(request).clock.now()
    talks = persons(request).ending.talks

    def work(connection: Connection) -> dict[str, Any]:
        row = tickets.find(connection, normal_number(ticket_no) or ticket_no, lock=True, seen_by=by)
        if row is None:
            raise TicketNotFoundError
        return withdraw(
            connection,
            talks,
            ticket_no=row.ticket_no,
            conversation_id=row.conversation_id,
            by=by,
            reason=body.reason,
            now=now,
            tickets=[row],
        )

    return _json(await ctx.db.write(work))
