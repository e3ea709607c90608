"""Log-in, log-out, who am I."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, StringConstraints

from api.core.context import Context, client_address, context
from api.core.errors import ApiError, RateLimitedError
from api.core.principals import COOKIE, AnyStaff, close_session, open_session
from api.core.security import Principal, password_matches
from api.desk.staff import find

router = APIRouter(tags=["工作人员"])

# Ten wrong guesses a quarter of an hour per account; more per address, because a whole branch shares one.
_WINDOW = 900
_PER_ACCOUNT, _PER_ADDRESS = 10, 50


class LoginIn(BaseModel):
    """A staff account."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class StaffOut(BaseModel):
    """The account as its owner sees it."""

    username: str
    display_name: str
    role: str
    unit: str | None


class WrongPasswordError(ApiError):
    """Unknown account and wrong password look the same, and take the same time."""

    status, code, message = 401, "wrong_credentials", "账号或密码不对。"


@router.post("/v1/staff/login")
async def login(request: Request, response: Response, body: LoginIn) -> StaffOut:
    """登录，得到会话 cookie。"""
    ctx = context(request)
    keys = {f"login:{body.username}": _PER_ACCOUNT, f"login-from:{client_address(request)}": _PER_ADDRESS}
    for key, limit in keys.items():
        if await ctx.redis.used_up(key, limit=limit, seconds=_WINDOW):
            raise RateLimitedError(_WINDOW)
    account = await ctx.db.read(lambda connection: find(connection, body.username))
    stored = account.password_hash if account is not None and account.active else None
    # argon2 takes tens of milliseconds on purpose; not on the event loop.
    if not await asyncio.to_thread(password_matches, stored, body.password) or account is None:
        for key, limit in keys.items():
            await ctx.redis.allow(key, limit=limit, seconds=_WINDOW)
        raise WrongPasswordError
    token = await ctx.db.write(lambda connection: open_session(connection, staff_id=account.id, ctx=ctx))
    _set_cookie(response, ctx, token)
    return StaffOut(username=account.username, display_name=account.display_name, role=account.role, unit=account.unit)


def _set_cookie(response: Response, ctx: Context, token: str) -> None:
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(ctx.settings.session_longest.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=ctx.settings.cookie_secure,
        path="/",
    )


@router.post("/v1/staff/logout", status_code=204)
async def logout(request: Request, response: Response) -> None:
    """退出，会话立即失效。"""
    token = request.cookies.get(COOKIE)
    if token:
        await context(request).db.write(lambda connection: close_session(connection, token))
    response.delete_cookie(COOKIE, path="/")


@router.get("/v1/staff/me")
async def me(staff: AnyStaff) -> StaffOut:
    """当前账号。"""
    return _shown(staff)


def _shown(principal: Principal) -> StaffOut:
    return StaffOut(username=principal.id, display_name=principal.name, role=principal.role, unit=principal.unit)
