"""Tickets for staff and for the bot's actions."""

import re
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic_core import to_json
from sqlalchemy import ColumnElement, Connection
from starlette.responses import Response, StreamingResponse

from api.core.context import Context, context
from api.core.errors import ForbiddenError
from api.core.models import AnyRow
from api.core.openapi import content
from api.core.paging import Cursor, cursor_of, position_of
from api.core.principals import AnyStaff, StaffOrBot, allowed
from api.core.security import Principal, Role
from api.tickets import repository, traces, views
from api.tickets.errors import IdempotencyKeyRequiredError, TicketNotFoundError
from api.tickets.events import apply
from api.tickets.evidence import repository as evidence
from api.tickets.evidence.schemas import staff_item
from api.tickets.export import Selection, csv_chunks, xlsx_chunks
from api.tickets.lifecycle import State
from api.tickets.links import repository as links
from api.tickets.numbers import normal_number
from api.tickets.outputs import AppliedOut, AppliedProgress, FiledOut, TicketOut, TicketPage
from api.tickets.privacy import consent
from api.tickets.schemas import EventIn, TicketIn
from api.tickets.search import words
from api.tickets.search.words import Wanted
from api.tickets.service import Tickets
from api.tickets.sla import repository as sla

router = APIRouter(tags=["工单"])

_LONGEST_KEY = 255
_TABLES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_EXPORTED = content(("text/csv", _TABLES["xlsx"]), "CSV 或 XLSX，由 format 决定")
Filer = Annotated[Principal, Depends(allowed(Role.AGENT, Role.SUPERVISOR, Role.HANDLER, Role.ADMIN, Role.INTERNAL))]
Exporter = Annotated[Principal, Depends(allowed(Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN))]
# Read by hand: who leaves it out hears why it is needed, with a code of its own.
_KEY_PARAMETER = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": _LONGEST_KEY, "pattern": r"\S"},
            "description": "每张工单一个；重发时不变",
        }
    ]
}
Search = Annotated[str | None, Query(max_length=64)]
Cause = Annotated[str, Query(pattern=r"^C\d{1,2}[a-e]?$")]


def service(request: Request) -> Tickets:
    found: Tickets = request.app.state.tickets
    return found


def _json(value: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(to_json(value), status, headers=headers, media_type="application/json")


@router.post(
    "/v1/tickets",
    status_code=201,
    response_model=FiledOut,
    openapi_extra=_KEY_PARAMETER,
    responses={200: {"model": FiledOut, "description": "并入了办理中的工单"}},
)
async def file_ticket(request: Request, filer: Filer, body: TicketIn) -> Response:
    """登记工单：同一个键、同一份内容只有一张；同一事项再次反映会并入办理中的工单（merged），有新的事实则重新计时。"""
    key = request.headers.get("idempotency-key", "")
    if not 0 < len(key) <= _LONGEST_KEY:
        raise IdempotencyKeyRequiredError
    tickets = service(request)
    filed = await tickets.file(body, key=key, by=filer)
    shown = views.filed(filed.ticket, merged=filed.merged, told=filed.told, now=tickets.ctx.clock.now())
    headers = {"Idempotent-Replayed": "true"} if filed.replayed else None
    return _json(shown, 200 if filed.merged else 201, headers)


async def _conditions(
    request: Request,
    staff: AnyStaff,
    state: State | None = None,
    cause: Cause | None = None,
    level_min: Annotated[int | None, Query(ge=0, le=4)] = None,
    route: Annotated[str | None, Query(max_length=64)] = None,
    overdue: bool | None = None,
    owner: Annotated[str | None, Query(max_length=80)] = None,
    q: Search = None,
) -> list[ColumnElement[bool]]:
    """The filters of api.md. Like `_wanted` no work for a thread: the hop would take longer."""
    ctx = context(request)
    found = repository.conditions_for(
        now=ctx.clock.now(),
        state=state,
        cause=cause,
        level_min=level_min,
        route=route,
        overdue=overdue,
        owner=owner,
    )
    return [*found, *_named(ctx, q)]


Conditions = Annotated[list[ColumnElement[bool]], Depends(_conditions)]


def _named(ctx: Context, q: str | None) -> list[ColumnElement[bool]]:
    """What names a ticket or its customer is looked up, not searched."""
    if indexes := _phone_indexes(ctx, q):
        return [repository.has_phone(indexes)]
    number = normal_number(q or "")
    return [repository.has_number(number)] if number else []


async def _wanted(request: Request, q: Search = None) -> Wanted | None:
    """What is searched in the texts of tickets; raises SearchTooShortError."""
    if not q or not q.strip() or _named(context(request), q):
        return None
    return words.wanted(q)


Wants = Annotated[Wanted | None, Depends(_wanted)]


def _phone_indexes(ctx: Context, q: str | None) -> tuple[str, ...]:
    digits = re.sub(r"[\s\-+]", "", q or "")
    return ctx.cipher.blind_indexes(digits) if re.fullmatch(r"(86)?1\d{10}", digits) else ()


@router.get("/v1/tickets", response_model=TicketPage)
async def list_tickets(
    request: Request,
    staff: AnyStaff,
    conditions: Conditions,
    wanted: Wants,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    q: Search = None,
) -> Response:
    """工单列表，新的在前；q 可搜工单号、手机号、客户称呼、经过、处理记录、网点、产品、部门、经办人，空格隔开的词都要有。

    一页可能不满（甚至为空）而仍有 next_cursor：还没翻完，请接着取。
    """
    ctx, before = context(request), position_of(cursor)
    find = partial(repository.page, conditions=conditions, seen_by=staff, before=before, limit=limit, wanted=wanted)
    page = await ctx.db.read(find)
    shown, now = page.rows, ctx.clock.now()
    if shown:
        numbers, by_phone = [row.ticket_no for row in shown], bool(_phone_indexes(ctx, q))
        await ctx.db.write(
            lambda connection: traces.listed(connection, by=staff, ticket_nos=numbers, now=now, by_phone=by_phone)
        )
    next_cursor = cursor_of(page.next) if page.next is not None else None
    taxonomy = service(request).playbook.taxonomy
    return _json({"tickets": [views.list_item(row, now, taxonomy) for row in shown], "next_cursor": next_cursor})


@router.get("/v1/tickets/export", response_class=StreamingResponse, responses=_EXPORTED)
async def export_tickets(
    request: Request,
    exporter: Exporter,
    conditions: Conditions,
    wanted: Wants,
    format: Literal["csv", "xlsx"] = "csv",
    personal: Literal["masked", "full"] = "masked",
) -> StreamingResponse:
    """导出工单（CSV 或 XLSX，列见 playbook/export.yml）；姓名、电话默认遮盖，full 只有管理员可以用；每次导出都留痕。"""
    if personal == "full" and exporter.role is not Role.ADMIN:
        raise ForbiddenError("只有管理员可以导出完整的姓名和电话；去掉 personal=full 可以导出遮盖后的。")
    ctx, tickets = context(request), service(request)
    now = ctx.clock.now()
    filters: dict[str, Any] = {name: value for name, value in request.query_params.items() if name != "q"}
    filters |= {"by_phone": bool(_phone_indexes(ctx, request.query_params.get("q")))}
    filters |= {"format": format, "personal": personal}

    async def note(numbers: list[str]) -> None:
        await ctx.db.write(
            lambda connection: traces.exported(connection, by=exporter, filters=filters, ticket_nos=numbers, now=now)
        )

    leaving = [*conditions, repository.IN_USE]
    selection = Selection(tickets.columns, leaving, exporter, now, note, full=personal == "full", wanted=wanted)
    chunks = (
        csv_chunks(ctx.db, selection) if format == "csv" else xlsx_chunks(ctx.db, selection, ctx.settings.exports_dir)
    )
    headers = {
        "Content-Disposition": f'attachment; filename="tickets-{now:%Y%m%d}.{format}"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(chunks, media_type=_TABLES[format], headers=headers)


@router.get("/v1/tickets/{ticket_no}", response_model=TicketOut)
async def read_ticket(request: Request, staff: AnyStaff, ticket_no: str) -> Response:
    """工单全文、经过和时限；每次查看都留痕。"""
    ctx = context(request)
    now, number = ctx.clock.now(), normal_number(ticket_no) or ticket_no

    def read(connection: Connection) -> dict[str, Any]:
        row = repository.find(connection, number, seen_by=staff)
        if row is None:
            raise TicketNotFoundError
        traces.read(connection, by=staff, ticket=row, now=now)
        return _detail(connection, row, now, staff, service(request))

    return _json(await ctx.db.write(read))


@router.post("/v1/tickets/{ticket_no}/events", status_code=201, response_model=AppliedOut | AppliedProgress)
async def add_event(
    request: Request,
    by: StaffOrBot,
    ticket_no: str,
    body: EventIn,
    idempotency_key: Annotated[str | None, Header(max_length=_LONGEST_KEY)] = None,
) -> Response:
    """推进工单；当前状态不允许的会回 409，并说明可以做什么。"""
    tickets = service(request)
    applied = await apply(tickets, ticket_no, body, key=idempotency_key, by=by)
    row, now = applied.ticket, tickets.ctx.clock.now()
    if by.role is Role.INTERNAL:
        return _json({**views.public(row, now, applied.living), **applied.told}, 201)
    shown = await tickets.ctx.db.read(lambda connection: _detail(connection, row, now, by, tickets))
    return _json({**shown, **applied.told}, 201)


def _detail(
    connection: Connection, row: AnyRow, now: datetime, principal: Principal, tickets: Tickets
) -> dict[str, Any]:
    events = repository.events_of(connection, row.ticket_no)
    promises, told = repository.promises_of(connection, row.ticket_no), sla.told(connection, row.ticket_no)
    clocks = [
        views.clock_item(clock, told, now) for clock in tickets.time.clocks(connection, row._asdict(), events, now)
    ]
    taxonomy = tickets.playbook.taxonomy
    shown = views.detail(row, events, promises, clocks, now=now, principal=principal, taxonomy=taxonomy)
    files = [staff_item(one) for one in evidence.of_ticket(connection, row.ticket_no)]
    related = [views.link_item(link, taxonomy) for link in links.links_of(connection, row.ticket_no, principal)]
    consents = consent.shown(connection, row)
    merged = [views.merged_item(one) for one in links.merged_into(connection, row.ticket_no, principal)]
    return {**shown, "consents": consents, "attachments": files, "related": related, "merged_from": merged}
