"""Webhooks for administrators."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic_core import to_json
from starlette.responses import Response

from api.core.bus import Event
from api.core.context import context
from api.core.models import AnyRow
from api.core.paging import Cursor, cursor_of, position_of
from api.core.principals import allowed
from api.core.security import Principal, Role
from api.tickets.handoff.webhooks import repository
from api.tickets.handoff.webhooks.schemas import (
    DeliveryPage,
    DeliveryState,
    ReplayIn,
    ReplayOut,
    RotateIn,
    SecretOut,
    TestOut,
    WebhookChange,
    WebhookIn,
    WebhookList,
    WebhookMade,
    WebhookOut,
)
from api.tickets.handoff.webhooks.service import Webhooks
from api.tickets.schemas import wire

router = APIRouter(tags=["推送"])

Admin = Annotated[Principal, Depends(allowed(Role.ADMIN))]
Id = Annotated[str, Path(max_length=32)]

_SHOWN = tuple(name for name in WebhookOut.model_fields if name not in ("pending", "dead"))
_NONE = {"pending": 0, "dead": 0}


def service(request: Request) -> Webhooks:
    found: Webhooks = request.app.state.webhooks
    return found


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return Response(to_json(value), status, media_type="application/json", headers={"Cache-Control": "no-store"})


def _item(row: AnyRow, counts: dict[str, int]) -> dict[str, Any]:
    return wire({**{name: getattr(row, name) for name in _SHOWN}, **_NONE, **counts})


@router.post("/v1/webhooks", status_code=201, response_model=WebhookMade)
async def create_webhook(request: Request, admin: Admin, body: WebhookIn) -> Response:
    """新建推送；密钥（whsec_…）只在这里显示一次。"""
    row, secret = await service(request).create(body, admin)
    return _json({**_item(row, _NONE), "secret": secret}, 201)


@router.get("/v1/webhooks", response_model=WebhookList)
async def list_webhooks(request: Request, admin: Admin) -> Response:
    """全部推送，各有多少待投递、多少投递失败。"""
    rows, counts = await context(request).db.read(
        lambda connection: (repository.every(connection), repository.counts(connection))
    )
    return _json({"webhooks": [_item(row, counts.get(row.id, _NONE)) for row in rows]})


@router.get("/v1/webhooks/{webhook_id}", response_model=WebhookOut)
async def read_webhook(request: Request, admin: Admin, webhook_id: Id) -> Response:
    """一个推送。"""
    row = await service(request).find(webhook_id)
    counts = await context(request).db.read(repository.counts)
    return _json(_item(row, counts.get(row.id, _NONE)))


@router.patch("/v1/webhooks/{webhook_id}", response_model=WebhookOut)
async def change_webhook(request: Request, admin: Admin, webhook_id: Id, body: WebhookChange) -> Response:
    """修改推送，或停用（active: false）、启用；停用期间的事件保留，启用后补送。"""
    row = await service(request).change(webhook_id, body, admin)
    counts = await context(request).db.read(repository.counts)
    context(request).bus.publish("desk", Event())
    return _json(_item(row, counts.get(row.id, _NONE)))


@router.delete("/v1/webhooks/{webhook_id}", status_code=204)
async def delete_webhook(request: Request, admin: Admin, webhook_id: Id) -> Response:
    """删除推送：不再投递，密钥作废；已投递的记录保留。"""
    await service(request).remove(webhook_id, admin)
    return Response(status_code=204)


@router.post("/v1/webhooks/{webhook_id}/rotate", response_model=SecretOut)
async def rotate_secret(request: Request, admin: Admin, webhook_id: Id, body: RotateIn) -> Response:
    """换密钥：宽限期内新旧两个密钥都签名，接收方可以从容更换。"""
    secret, until = await service(request).rotate(webhook_id, body.grace_hours, admin)
    return _json(wire({"secret": secret, "old_secret_until": until}))


@router.post("/v1/webhooks/{webhook_id}/test", response_model=TestOut)
async def test_webhook(request: Request, admin: Admin, webhook_id: Id) -> Response:
    """发一条测试事件（webhook.test），马上告知结果。"""
    outcome = await service(request).test(webhook_id)
    return _json({"delivered": outcome.delivered, "status": outcome.status, "error": outcome.error})


@router.get("/v1/webhooks/{webhook_id}/deliveries", response_model=DeliveryPage)
async def list_deliveries(
    request: Request,
    admin: Admin,
    webhook_id: Id,
    state: DeliveryState | None = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """投递记录，新的在前；state=dead 是不再自动重试的。"""
    await service(request).find(webhook_id)
    before = position_of(cursor)
    rows = await context(request).db.read(
        lambda connection: repository.page(connection, webhook_id, state=state, before=before, limit=limit)
    )
    more = cursor_of(rows[-1].id) if len(rows) == limit else None
    return _json({"deliveries": [_delivery(row) for row in rows], "next_cursor": more})


def _delivery(row: AnyRow) -> dict[str, Any]:
    names = (
        "event_id", "type", "ticket_no", "version", "state", "attempts", "happened_at", "tried_at", "delivered_at",
        "last_status", "last_error",
    )  # fmt: skip
    next_at = row.next_at if row.state == "pending" else None
    return wire({**{name: getattr(row, name) for name in names}, "next_at": next_at})


@router.post("/v1/webhooks/{webhook_id}/replay", response_model=ReplayOut)
async def replay_deliveries(request: Request, admin: Admin, webhook_id: Id, body: ReplayIn) -> Response:
    """重新投递：一条（event_id）、一段时间（since、until，连同没有投递过的），或全部失败的；事件编号不变。"""
    count = await service(request).replay(webhook_id, body, admin)
    context(request).bus.publish("desk", Event())
    return _json({"replayed": count})
