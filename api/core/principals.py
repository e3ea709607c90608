"""From a request to the caller: session cookie, API key or the internal bearer; and who may do what."""

from collections.abc import Callable, Collection, Coroutine
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPBearer
from sqlalchemy import select, update

from api.core.context import Context, context
from api.core.errors import ApiError, ForbiddenError, RateLimitedError, UnauthorizedError
from api.core.models import api_keys
from api.core.scopes import Scope, scope_of
from api.core.security import BOT, STAFF_ROLES, Principal, Role, bearer, hash_token, same_secret
from api.core.sessions import find_session

COOKIE = "tingsu_session"

# For the description alone: what a caller may show. `find_principal` looks at the request itself.
_ByKey = Annotated[str | None, Depends(APIKeyHeader(name="X-API-Key", scheme_name="apiKey", auto_error=False))]
_BySession = Annotated[str | None, Depends(APIKeyCookie(name=COOKIE, scheme_name="session", auto_error=False))]
_ByBearer = Annotated[Any, Depends(HTTPBearer(scheme_name="internal", auto_error=False))]

KEY_PREFIX = "ts_"
_SHOWN = 12  # characters of a key that are kept and shown, so that people can tell keys apart
_USED_EVERY = timedelta(minutes=1)


class MissingScopeError(ForbiddenError):
    """A limited API key on a route that it was not made for; `details.scope` names what is missing."""

    code = "missing_scope"

    def __init__(self, scope: Scope | None) -> None:
        text = f"这个 API 密钥没有权限 {scope}，请联系管理员。" if scope else "这个地址不对限定范围的 API 密钥开放。"
        super().__init__(text, details={"scope": scope})


class PasswordChangeRequiredError(ApiError):
    """An administrator gave this password; its owner has to choose one first."""

    status: ClassVar[int] = 403
    code, message = "password_change_required", "这是一次性密码，请先设置自己的新密码，再做别的。"


async def find_principal(request: Request, *, touch: bool = True) -> Principal | None:
    """None when nobody is known; a session from another site's page does not count (CSRF).

    Without `touch` the session grows older: what a page asks by itself is no sign of life.
    """
    ctx = context(request)
    if key := request.headers.get("x-api-key"):
        return ctx.api_keys.find(key) or await _by_key(ctx, key)
    token = bearer(request.headers.get("authorization"))
    if token and same_secret(token, ctx.internal_bearer):
        return Principal(id=BOT, name="对话机器人", role=Role.INTERNAL)
    session = request.cookies.get(COOKIE)
    if not session or _from_elsewhere(request):
        return None
    return await find_session(ctx, session, touch=touch)


def _from_elsewhere(request: Request) -> bool:
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")


def key_prefix(key: str) -> str:
    return key[:_SHOWN]


async def _by_key(ctx: Context, key: str) -> Principal | None:
    """A key of the table; what is revoked or expired is none."""
    if not key.startswith(KEY_PREFIX):
        return None
    now, found = ctx.clock.now(), select(api_keys).where(api_keys.c.prefix == key_prefix(key))
    row = await ctx.db.read(lambda connection: connection.execute(found).one_or_none())
    if row is None or not same_secret(hash_token(key), row.key_hash):
        return None
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        return None
    if row.used_at is None or abs(now - row.used_at) > _USED_EVERY:
        used = update(api_keys).where(api_keys.c.id == row.id).values(used_at=now)
        await ctx.db.write(lambda connection: connection.execute(used))
    scopes = frozenset(row.scopes) if row.scopes else None
    return Principal(
        id=f"key:{row.name}", name=row.name, role=Role(row.role), units=tuple(row.units), by_key=True, scopes=scopes
    )


def allowed(
    *roles: Role, scope: Scope | None = None, even_temporary: bool = False
) -> Callable[..., Coroutine[Any, Any, Principal]]:
    """A dependency that lets only these roles in: 401 for nobody, 403 for somebody else.

    A limited API key needs `scope`, without one that of api.core.scopes. `even_temporary`: also before a one-time
    password has been changed.
    """

    async def check(request: Request, _key: _ByKey, _session: _BySession, _bearer: _ByBearer) -> Principal:
        return admitted(request, await find_principal(request), roles, scope=scope, even_temporary=even_temporary)

    return check


def admitted(
    request: Request,
    principal: Principal | None,
    roles: Collection[Role],
    *,
    scope: Scope | None = None,
    even_temporary: bool = False,
    counted: bool = True,
) -> Principal:
    """The checks of `allowed`, for a route that others than staff may call, too. Not `counted`: no call, a stream going on."""
    if principal is None:
        raise UnauthorizedError
    if principal.role not in roles:
        raise ForbiddenError
    if principal.password_temporary and not even_temporary:
        raise PasswordChangeRequiredError
    _check_scope(request, principal, scope)
    if counted:
        _check_rate(request, principal)
    return principal


def _check_scope(request: Request, principal: Principal, scope: Scope | None = None) -> None:
    """Raises MissingScopeError for a limited key that was not made for this route."""
    if principal.scopes is None:
        return
    needed = scope or scope_of(request.method, request.scope["route"].path)
    if needed is None or needed not in principal.scopes:
        raise MissingScopeError(needed)


def _check_rate(request: Request, principal: Principal) -> None:
    """Per caller and group of routes: exports, people at the desk, other systems. The bot calls for customers."""
    if principal.role is Role.INTERNAL:
        return
    ctx = context(request)
    if request.scope["route"].path.endswith("/export"):
        group, limit = "export", ctx.settings.exports_per_minute
    elif principal.id.startswith("key:"):
        group, limit = "key", ctx.settings.key_calls_per_minute
    else:
        group, limit = "desk", ctx.settings.staff_calls_per_minute
    if not ctx.redis.allow_here(f"{group}:{principal.id}", limit=limit, seconds=60):
        raise RateLimitedError(60)


AnyStaff = Annotated[Principal, Depends(allowed(*STAFF_ROLES))]
Oneself = Annotated[Principal, Depends(allowed(*STAFF_ROLES, even_temporary=True))]
StaffOrBot = Annotated[Principal, Depends(allowed(*STAFF_ROLES, Role.INTERNAL))]
BotOnly = Annotated[Principal, Depends(allowed(Role.INTERNAL))]
