"""Log-in, log-out, who am I, my password, my sessions."""

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
    hashing,
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


class LoginLockedError(RateLimitedError):
    """The same for names that exist and for those that do not."""

    code = "login_locked"
    message = "这个用户名输错的次数太多，最多 15 分钟后可以再试；着急请管理员在账号管理里解除锁定，或重置密码。"


class AddressLockedError(RateLimitedError):
    """Who tries many names from one place; browsers that somebody has logged in from are not asked where they are."""

    code = "login_address_locked"
    message = "从您这里的网络输错的次数太多，最多 15 分钟后可以再试；在这里登录过的浏览器不受影响，可以用那一台。"


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
    trusted = device is not None
    account = await ctx.db.read(lambda connection: accounts.find(connection, body.username))
    _refuse_locked(ctx, account, trusted=trusted)
    counted = await _count_first(request, body.username, device)
    usable = account is not None and account.active and account.oidc_subject is None
    stored = account.password_hash if account is not None and usable else None
    if not await hashing(password_matches, stored, body.password) or account is None:
        await ctx.db.write(lambda connection: _guessed_wrong(connection, ctx, body.username, trusted=trusted))
        raise WrongPasswordError
    token = await ctx.db.write(lambda connection: _let_in(connection, request, account, trusted=trusted))
    for key in counted:
        await ctx.redis.take_back(key, seconds=_WINDOW)
    set_cookies(response, ctx, token, account.username, device)
    return shown(_principal(account))


async def forget_guesses(ctx: Context, username: str) -> None:
    await ctx.redis.forget(f"login:{username}", seconds=_WINDOW)


async def _count_first(request: Request, username: str, device: str | None) -> list[str]:
    """Before the password is looked at: as many as arrive at once are no more than may come one after the other."""
    redis = context(request).redis
    mine = f"login-device:{device}" if device else f"login:{username}"
    if not await redis.allow(mine, limit=accounts.GUESSES, seconds=_WINDOW):
        raise LoginLockedError(_WINDOW)
    if device:
        return [mine]
    here = f"login-from:{client_address(request)}"
    if not await redis.allow(here, limit=_PER_ADDRESS, seconds=_WINDOW):
        await redis.take_back(mine, seconds=_WINDOW)
        raise AddressLockedError(_WINDOW)
    return [mine, here]


def _refuse_locked(ctx: Context, account: AnyRow | None, *, trusted: bool) -> None:
    if account is not None and not trusted and accounts.locked_until(account, ctx.clock.now()) is not None:
        raise LoginLockedError(_WINDOW)


def _let_in(connection: Connection, request: Request, account: AnyRow, *, trusted: bool) -> str:
    """By the row as it is now: others may have guessed, or changed the password, while this one was looked at."""
    ctx, now = context(request), accounts.find(connection, account.username, lock=True)
    _refuse_locked(ctx, now, trusted=trusted)
    if now is None or not now.active or now.password_hash != account.password_hash:
        raise WrongPasswordError
    return enter(connection, ctx, request, now, "password")


def _guessed_wrong(connection: Connection, ctx: Context, username: str, *, trusted: bool) -> None:
    """Also an unknown name is written down (as `?`: people type passwords there), so that both take the same time."""
    now, account = ctx.clock.now(), accounts.find(connection, username, lock=True)
    _refuse_locked(ctx, account, trusted=trusted)
    if account is None or trusted:
        who = username if account is not None else "?"
        audit.note(connection, who=who, action="staff.wrong_password", subject=who, now=now)
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
    if not await hashing(password_matches, account.password_hash, body.old):
        raise WrongOldPasswordError
    accounts.check_password(staff.id, body.new)
    if body.new == body.old:
        raise accounts.WeakPasswordError("新密码不能与原密码相同。")
    values = {"password_hash": await hashing(hash_password, body.new), "password_temporary": False}

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
