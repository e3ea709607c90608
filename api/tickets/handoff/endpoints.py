"""Events for systems that ask for them, and what these say they have received."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic_core import to_json
from sqlalchemy import Connection
from starlette.responses import Response

from api.core.bus import Event
from api.core.context import Context, context
from api.core.errors import ContradictionError, NotFoundError
from api.core.models import AnyRow
from api.core.paging import Cursor, cursor_of, position_of
from api.core.principals import allowed
from api.core.security import Principal, Role
from api.tickets import repository as tickets
from api.tickets import traces
from api.tickets.access import is_in_use
from api.tickets.handoff import repository
from api.tickets.handoff.payload import message
from api.tickets.handoff.schemas import AckIn, AckOut, EventPage
from api.tickets.lifecycle import EventType
from api.tickets.thread import record

router = APIRouter(tags=["对接"])

# Another system of the bank, by an API key of its own.
System = Annotated[Principal, Depends(allowed(Role.ADMIN))]
Type = Annotated[str, Query(max_length=32)]


class EventNotFoundError(NotFoundError):
    """Unknown, or of a sealed ticket that this caller may not see."""

    code, message = "event_not_found", "找不到这个事件，请检查 event_id。"


class CursorAheadError(ContradictionError):
    """Of a later state of this database, which was taken back, or of another one: nothing would ever come after it."""

    code = "cursor_ahead"
    message = "分页标记比这里最新的事件还要新：数据库可能被恢复到了较早的时候。请不带 cursor 从头取（按事件编号去重）。"


@router.get("/v1/handoff/events", response_model=EventPage, responses={409: {}})
async def pull_events(
    request: Request,
    system: System,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    type: Annotated[list[Type], Query(max_length=50)] = [],  # noqa: B006 - FastAPI copies it
    unit: Annotated[str | None, Query(max_length=64)] = None,
    sealed_unit: Annotated[list[Annotated[str, Query(max_length=64)]], Query(max_length=20)] = [],  # noqa: B006
    personal: Literal["none", "masked", "full"] = "masked",
) -> Response:
    """按顺序取工单变更，从 cursor 之后接着取，不漏不乱；保密工单只给点名的部门（sealed_unit）；取过什么都留痕。"""
    ctx, after = context(request), position_of(cursor) or 0
    sieve = repository.Sieve(types=type, unit=unit, sealed_units=_sealed_units(system, sealed_unit))
    rows, last = await ctx.db.read(lambda connection: _page(connection, sieve, after=after, limit=limit))
    if rows and personal != "none":
        numbers, now = [row.ticket_no for row in rows], ctx.clock.now()
        await ctx.db.write(
            lambda connection: traces.pulled(connection, by=system, ticket_nos=numbers, personal=personal, now=now)
        )
    # What was looked at and did not pass is not looked at again.
    position = rows[-1].position if len(rows) == limit else last
    page = {
        "events": [message(row, personal) for row in rows],
        "cursor": cursor_of(position),
        "more": len(rows) == limit,
    }
    return Response(to_json(page), media_type="application/json")


def _page(connection: Connection, sieve: repository.Sieve, *, after: int, limit: int) -> tuple[list[AnyRow], int]:
    """The last position first: what comes in between is then looked at the next time."""
    last = repository.last_position(connection)
    if after > last:
        raise CursorAheadError
    rows = repository.page(connection, sieve, after=after, limit=limit)
    return rows, max(last, rows[-1].position if rows else 0)


def _sealed_units(system: Principal, asked: list[str]) -> list[str]:
    return [unit for unit in asked if system.sees_everything or unit in system.units]


@router.post("/v1/handoff/ack", response_model=AckOut, responses={404: {}})
async def acknowledge_event(request: Request, system: System, body: AckIn) -> Response:
    """对方系统签收：记下收到时间；带 external_ref（对方编号）时记入工单经过，同一编号只记一次。"""
    ctx = context(request)

    def write(connection: Connection) -> AckOut:
        return _acknowledge(connection, ctx, system, body)

    done = await ctx.db.write(write)
    ctx.bus.publish("desk", Event())
    return Response(done.model_dump_json(), media_type="application/json")


def _acknowledge(connection: Connection, ctx: Context, system: Principal, body: AckIn) -> AckOut:
    row = repository.find(connection, body.event_id)
    if row is None or not (row.seal is None or system.sees_everything or row.seal in system.units):
        raise EventNotFoundError
    now = ctx.clock.now()
    ticket = tickets.find(connection, row.ticket_no, lock=True)
    before = repository.reference_of(connection, body.consumer, row.ticket_no)
    first, told = repository.acknowledge(
        connection,
        {
            "consumer": body.consumer,
            "event_id": row.event_id,
            "ticket_no": row.ticket_no,
            "version": row.version,
            "external_ref": body.external_ref,
            "received_at": body.received_at or now,
            "created_at": now,
        },
    )
    # Only a new number is an entry: the entry is an event itself, and its acknowledgement must not make another.
    if told and ticket is not None and is_in_use(ticket) and body.external_ref != before:
        record(
            connection,
            ticket_no=row.ticket_no,
            kind=EventType.RECEIPT,
            by=system,
            data={"consumer": body.consumer, "external_ref": body.external_ref},
            now=now,
        )
    return AckOut(event_id=row.event_id, ticket_no=row.ticket_no, version=row.version, repeated=not first)
