"""Log-in, log-out, who am I, my password, my sessions."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import Connection, delete

from api.core import audit, sessions
from api.core.clock import rfc3339
from api.core.context import Context, client_address, context
from api.core.errors import ApiError, NotFoundError, RateLimitedError
from api.core.models import AnyRow, staff_sessions
from api.core.principals import COOKIE, Oneself
from api.core.security import (
    Principal,
    Role,
    hash_password,
    hash_token,
    new_id,
    password_matches,
    same_secret,
    signed,
)
from api.desk import staff as accounts
from api.desk.schemas import LoginIn, PasswordIn, StaffOut, shown
from api.tickets.notices import repository as notices

router = APIRouter(tags=["工作人员"])

# A browser that somebody logged in from: guesses made elsewhere do not keep its owner out.
DEVICE = "tingsu_device"
_DEVICE_LIFE = 180 * 86400

# Per address more than per account, because a whole branch shares one.
_WINDOW = int(accounts.WINDOW.total_seconds())
_PER_ADDRESS = 50
_SHOWN_ID = 16  # characters of a session's hash that name it to its owner


class WrongPasswordError(ApiError):
    """Unknown account and wrong password look the same, and take the same time."""

    status, code, message = 401, "wrong_credentials", "账号或密码不对，请重新输入；忘记密码请联系管理员。"


class WrongOldPasswordError(ApiError):
    """The owner of the session does not know the account's password."""

    status, code, message = 403, "wrong_old_password", "原密码不对，没有修改，请重新输入。"


class NoPasswordError(ApiError):
    """An API key, or an account of the identity provider, has no password here."""

    status, code, message = 409, "no_password", "这个账号不用密码登录，没有可以修改的密码，请走统一身份认证。"


@router.post("/v1/staff/login", responses={401: {}})
async def login(request: Request, response: Response, body: LoginIn) -> StaffOut:
    """登录，得到会话 cookie。"""
    ctx, device = context(request), _device(request, body.username)
    account = await ctx.db.read(lambda connection: accounts.find(connection, body.username))
    counted = f"login-device:{device}" if device else f"login:{body.username}"
    keys = {counted: accounts.GUESSES, f"login-from:{client_address(request)}": _PER_ADDRESS}
    await _refuse_guessing(ctx, account, keys, trusted=device is not None)
    usable = account is not None and account.active and account.oidc_subject is None
    stored = account.password_hash if account is not None and usable else None
    # argon2 takes tens of milliseconds on purpose; not on the event loop.
    if not await asyncio.to_thread(password_matches, stored, body.password) or account is None:
        for key, limit in keys.items():
            await ctx.redis.allow(key, limit=limit, seconds=_WINDOW)
        await ctx.db.write(lambda connection: _count(connection, ctx, body.username, trusted=device is not None))
        raise WrongPasswordError
    token = await ctx.db.write(lambda connection: enter(connection, ctx, request, account, "password"))
    set_cookies(response, ctx, token, account.username, device)
    return shown(_principal(account))


async def _refuse_guessing(ctx: Context, account: AnyRow | None, keys: dict[str, int], *, trusted: bool) -> None:
    """Names that do not exist are refused like those that do."""
    now = ctx.clock.now()
    if account is not None and not trusted and accounts.locked_until(account, now) is not None:
        raise RateLimitedError(_WINDOW)
    for key, limit in keys.items():
        if await ctx.redis.used_up(key, limit=limit, seconds=_WINDOW):
            raise RateLimitedError(_WINDOW)


def _count(connection: Connection, ctx: Context, username: str, *, trusted: bool) -> None:
    """Also an unknown name is written down (as `?`: people type passwords there), so that both take the same time."""
    now = ctx.clock.now()
    known = accounts.find(connection, username) is not None
    if not known or trusted:
        audit.note(
            connection, who=username if known else "?", action="staff.wrong_password", subject=username if known else "?",
            now=now,
        )  # fmt: skip
        return
    if accounts.guessed_wrong(connection, username, now):
        notices.add(
            connection,
            kind="account_locked",
            text=f"账号 {username} 连续输错密码 {accounts.GUESSES} 次，已锁定 15 分钟；不是本人操作的，请查看审计记录。",
            level=2,
            unique_key=f"account_locked:{username}:{now.isoformat()}",
            now=now,
        )


def enter(
    connection: Connection, ctx: Context, request: Request, account: AnyRow, how: str, id_token: str | None = None
) -> str:
    """The token of a new session."""
    accounts.logged_in(connection, account, ctx.clock.now(), how)
    return sessions.open_session(
        connection,
        staff_id=account.id,
        ctx=ctx,
        address=client_address(request),
        browser=request.headers.get("user-agent"),
        id_token=id_token,
    )


def set_cookies(response: Response, ctx: Context, token: str, username: str, device: str | None = None) -> None:
    device = device or new_id()
    kept = {
        COOKIE: (token, int(ctx.settings.session_longest.total_seconds())),
        DEVICE: (f"{device}.{signed(ctx.cipher.token_key, 'device', f'{username}:{device}')}", _DEVICE_LIFE),
    }
    for name, (value, life) in kept.items():
        response.set_cookie(
            name, value, max_age=life, httponly=True, samesite="strict", secure=ctx.settings.cookie_secure, path="/"
        )


def _device(request: Request, username: str) -> str | None:
    """The browser's own number when this account logged in from it before."""
    device, _, signature = request.cookies.get(DEVICE, "").partition(".")
    keys = context(request).cipher.token_keys
    known = any(same_secret(signature, signed(key, "device", f"{username}:{device}")) for key in keys)
    return device if device and known else None


def _principal(account: AnyRow) -> Principal:
    return Principal(
        id=account.username,
        name=account.display_name,
        role=Role(account.role),
        units=sessions.units_of(account),
        password_temporary=account.password_temporary,
    )


@router.post("/v1/staff/logout", status_code=204)
async def logout(request: Request, response: Response) -> None:
    """退出，会话立即失效。"""
    token = request.cookies.get(COOKIE)
    if token:
        await context(request).db.write(lambda connection: sessions.close_session(connection, token))
    response.delete_cookie(COOKIE, path="/")


@router.get("/v1/staff/me")
async def me(staff: Oneself) -> StaffOut:
    """当前账号。"""
    return shown(staff)


@router.post("/v1/staff/me/password", status_code=204)
async def change_password(request: Request, staff: Oneself, body: PasswordIn) -> None:
    """修改自己的密码；其他地方登录的会话全部失效。"""
    ctx, token = context(request), request.cookies.get(COOKIE)
    account = await ctx.db.read(lambda connection: accounts.find(connection, staff.id))
    if account is None or account.oidc_subject is not None:
        raise NoPasswordError
    if not await ctx.redis.allow(f"password:{staff.id}", limit=accounts.GUESSES, seconds=_WINDOW):
        raise RateLimitedError(_WINDOW)
    if not await asyncio.to_thread(password_matches, account.password_hash, body.old):
        raise WrongOldPasswordError
    accounts.check_password(staff.id, body.new)
    if body.new == body.old:
        raise accounts.WeakPasswordError("新密码不能与原密码相同。")
    values = {"password_hash": await asyncio.to_thread(hash_password, body.new), "password_temporary": False}

    def write(connection: Connection) -> None:
        accounts.change(connection, account, values, who=staff.id, action="password", now=ctx.clock.now())
        sessions.close_sessions(connection, account.id, but=token)

    await ctx.db.write(write)


@router.get("/v1/staff/me/sessions")
async def my_sessions(request: Request, staff: Oneself) -> dict[str, list[dict[str, Any]]]:
    """自己登录着的会话，新的在前。"""
    ctx, token = context(request), request.cookies.get(COOKIE)
    rows = await ctx.db.read(lambda connection: sessions.sessions_of(connection, staff.id))
    here = hash_token(token) if token else ""
    return {
        "sessions": [
            {
                "id": row.token_hash[:_SHOWN_ID],
                "current": row.token_hash == here,
                "created_at": rfc3339(row.created_at),
                "seen_at": rfc3339(row.seen_at),
                "address": row.address,
                "browser": row.browser,
            }
            for row in rows
        ]
    }


@router.delete("/v1/staff/me/sessions/{session_id}", status_code=204)
async def end_session(
    request: Request, staff: Oneself, session_id: Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
) -> None:
    """结束自己的一个会话，那边立即要重新登录。"""
    ctx = context(request)

    def write(connection: Connection) -> bool:
        mine = [row.token_hash for row in sessions.sessions_of(connection, staff.id)]
        ended = [token for token in mine if token.startswith(session_id)]
        connection.execute(delete(staff_sessions).where(staff_sessions.c.token_hash.in_(ended)))
        if ended:
            audit.note(connection, who=staff.id, action="staff.end_session", subject=staff.id, now=ctx.clock.now())
        return bool(ended)

    if not await ctx.db.write(write):
        raise NotFoundError("没有这个会话，可能已经结束。")
