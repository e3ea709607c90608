"""Reports of reconciliations, and one on demand."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic_core import to_json
from sqlalchemy import Connection
from starlette.responses import Response

from api.core.context import context
from api.core.models import AnyRow
from api.core.paging import Cursor, cursor_of, position_of
from api.core.principals import allowed
from api.core.security import Principal, Role
from api.tickets.handoff.reconciliation import repository
from api.tickets.handoff.reconciliation.schemas import ReconciliationOut, ReconciliationPage
from api.tickets.handoff.service import HandOff
from api.tickets.schemas import wire

router = APIRouter(tags=["对接"])

Reader = Annotated[Principal, Depends(allowed(Role.ADMIN, Role.AUDITOR))]
Admin = Annotated[Principal, Depends(allowed(Role.ADMIN))]


@router.get("/v1/handoff/reconciliations", response_model=ReconciliationPage)
async def list_reconciliations(
    request: Request,
    reader: Reader,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 30,
) -> Response:
    """对接核对报告，新的在前；每天夜里自动核对一次。"""
    before = position_of(cursor)
    rows = await context(request).db.read(lambda connection: repository.page(connection, before=before, limit=limit))
    more = cursor_of(rows[-1].id) if len(rows) == limit else None
    page = {"reconciliations": [_item(row) for row in rows], "next_cursor": more}
    return Response(to_json(page), media_type="application/json")


@router.post("/v1/handoff/reconciliations", status_code=201, response_model=ReconciliationOut)
async def reconcile_now(request: Request, admin: Admin) -> Response:
    """现在核对一次：缺的补发（事件编号不变），结果留存。"""
    handoff: HandOff = request.app.state.handoff
    await handoff.reconcile()
    row = await context(request).db.read(_newest)
    return Response(to_json(_item(row)), 201, media_type="application/json")


def _newest(connection: Connection) -> AnyRow:
    found = repository.newest(connection)
    if found is None:
        raise LookupError("the reconciliation that was just made vanished")
    return found


def _item(row: AnyRow) -> dict[str, Any]:
    names = ("id", "created_at", "since", "until", "missing", "healed")
    return {**wire({name: getattr(row, name) for name in names}), **row.report}
