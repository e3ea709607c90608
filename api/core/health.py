"""Alive, ready, and the numbers. Readiness names every part; liveness depends on none of them."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import httpx
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json
from starlette.responses import Response

from api.core.clock import rfc3339
from api.core.context import Context, context
from api.core.errors import ApiError, StorageUnavailableError

router = APIRouter(tags=["运行"])

_PATIENCE = 2.0  # seconds for each part
_HOLDS = 5.0  # seconds for which the answer of a part outside is not asked for again
_OK = {"status": "ok"}


class Check(BaseModel):
    """One part; `message` says in words what is wrong."""

    model_config = ConfigDict(extra="allow")
    status: Literal["ok", "degraded", "down"]


class Watched:
    """A part that complaints can be filed without: gone, it is named, and nothing is taken out of service.

    `look` blocks and raises. It runs in a thread, one at a time: a part that hangs is asked once, however often we are.
    """

    def __init__(self, look: Callable[[], None], without: str) -> None:
        self._look = look
        self._without = without
        self._looking: asyncio.Task[None] | None = None
        self._began = 0.0

    async def check(self) -> dict[str, Any]:
        now = time.monotonic()
        if self._looking is None or (self._looking.done() and now - self._began > _HOLDS):
            self._looking, self._began = asyncio.create_task(asyncio.to_thread(self._look)), now
        try:
            async with asyncio.timeout(_PATIENCE):
                await asyncio.shield(self._looking)
        except Exception as error:  # noqa: BLE001 - edge: whatever is wrong with it, it is not there
            return {"status": "degraded", "message": self._without, "error": type(error).__name__}
        return _OK


class Readiness(BaseModel):
    """`clock` is there when the time is shifted."""

    status: Literal["ok", "degraded", "down"]
    checks: dict[str, Check]
    clock: dict[str, str] | None = None


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """进程活着。"""
    return _OK


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness, "description": "有部件不可用"}})
async def ready(request: Request) -> Response:
    """数据库、Redis、机器人、动作服务、附件存储、查毒服务（设了才有）是否就绪；没有 Redis、附件存储、查毒服务只算降级。"""
    ctx = context(request)
    watched: dict[str, Watched] = request.app.state.watched
    http: httpx.AsyncClient = request.app.state.probe
    database, redis, bot, actions, *others = await asyncio.gather(
        _database(ctx),
        _redis(ctx),
        _http(http, f"{ctx.settings.bot_url}/webhooks/bridge/health", ctx.internal_bearer),
        _http(http, f"{ctx.settings.actions_url}/health", ctx.internal_bearer),
        *(part.check() for part in watched.values()),
    )
    checks = {"database": database, "redis": redis, "bot": bot, "actions": actions}
    checks |= dict(zip(watched, others, strict=True))
    down = any(check["status"] == "down" for check in checks.values())
    degraded = any(check["status"] != "ok" for check in checks.values())
    body: dict[str, Any] = {"status": "down" if down else "degraded" if degraded else "ok", "checks": checks}
    if ctx.clock.shifted:
        body["clock"] = {"now": rfc3339(ctx.clock.now()), "note": "演示时钟（TINGSU_CLOCK）"}
    return Response(to_json(body), 503 if down else 200, media_type="application/json")


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Numbers of the database are those of the last scrape when it does not answer."""
    found = context(request).metrics
    for count in found.before_scrape:
        with suppress(ApiError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await count()
    return Response(found.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _database(ctx: Context) -> dict[str, Any]:
    try:
        async with asyncio.timeout(_PATIENCE):
            await ctx.db.ping()
    except (StorageUnavailableError, TimeoutError):
        return {"status": "down", "message": "数据库不能写入：消息和工单都存不下，请检查磁盘空间和数据库进程。"}
    return {**_OK, "kind": "sqlite" if ctx.db.is_sqlite else "postgresql"}


async def _redis(ctx: Context) -> dict[str, Any]:
    if await ctx.redis.ping():
        return _OK
    return {"status": "degraded", "message": "Redis 不可用：消息和工单不受影响，推送最多慢一秒，限流按单个进程计。"}


async def _http(http: httpx.AsyncClient, url: str, bearer: str) -> dict[str, Any]:
    try:
        answer = await http.get(url, headers={"Authorization": f"Bearer {bearer}"}, timeout=_PATIENCE)
    except httpx.HTTPError as error:
        return {"status": "down", "message": f"没有响应（{type(error).__name__}）。"}
    if answer.status_code != 200:
        return {"status": "down", "message": f"返回 HTTP {answer.status_code}。"}
    try:
        told = answer.json()
    except ValueError:
        return _OK
    return {**told, "status": "ok"} if isinstance(told, dict) else _OK
