"""From a request to the caller: session cookie, API key or the internal bearer; and who may do what."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from api.core.context import Context, context
from api.core.errors import ForbiddenError, UnauthorizedError
from api.core.models import staff, staff_sessions
from api.core.security import STAFF_ROLES, Principal, Role, bearer, hash_token, new_id, same_secret

COOKIE = "tingsu_session"

# A session's idle time is written at most this often: one write a minute for a busy agent, not one a click.
_TOUCH_EVERY = timedelta(minutes=1)

_FIND = (
    select(
        staff.c.username,
        staff.c.display_name,
        staff.c.role,
        staff.c.unit,
        staff_sessions.c.created_at,
        staff_sessions.c.seen_at,
    )
    .join(staff, staff.c.id == staff_sessions.c.staff_id)
    .where(staff_sessions.c.token_hash == bindparam("token"), staff.c.active)
)


async def find_principal(request: Request) -> Principal | None:
    """None when nobody is known; a session from another site's page does not count (CSRF)."""
    ctx = context(request)
    if key := request.headers.get("x-api-key"):
        return ctx.api_keys.find(key)
    token = bearer(request.headers.get("authorization"))
    if token and same_secret(token, ctx.internal_bearer):
        return Principal(id="internal", name="对话机器人", role=Role.INTERNAL)
    session = request.cookies.get(COOKIE)
    if not session or _from_elsewhere(request):
        return None
    return await _by_session(ctx, session)


def _from_elsewhere(request: Request) -> bool:
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")


async def _by_session(ctx: Context, token: str) -> Principal | None:
    now, hashed = ctx.clock.now(), hash_token(token)
    row = await ctx.db.read(lambda connection: connection.execute(_FIND, {"token": hashed}).one_or_none())
    if (
        row is None
        or now - row.seen_at > ctx.settings.session_idle
        or now - row.created_at > ctx.settings.session_longest
    ):
        return None
    if now - row.seen_at > _TOUCH_EVERY:
        statement = update(staff_sessions).where(staff_sessions.c.token_hash == hashed).values(seen_at=now)
        await ctx.db.write(lambda connection: connection.execute(statement))
    return Principal(id=row.username, name=row.display_name, role=Role(row.role), unit=row.unit)


def open_session(connection: Connection, *, staff_id: int, ctx: Context) -> str:
    """The token for the cookie; only its hash is kept. Sessions past their longest life are swept out here."""
    token, now = new_id(), ctx.clock.now()
    connection.execute(delete(staff_sessions).where(staff_sessions.c.created_at < now - ctx.settings.session_longest))
    row = {"token_hash": hash_token(token), "staff_id": staff_id, "created_at": now, "seen_at": now}
    connection.execute(insert(staff_sessions), row)
    return token


def close_session(connection: Connection, token: str) -> None:
    connection.execute(delete(staff_sessions).where(staff_sessions.c.token_hash == hash_token(token)))


def allowed(*roles: Role) -> Callable[[Request], Coroutine[Any, Any, Principal]]:
    """A dependency that lets only these roles in: 401 for nobody, 403 for somebody else."""

    async def check(request: Request) -> Principal:
        principal = await find_principal(request)
        if principal is None:
            raise UnauthorizedError
        if principal.role not in roles:
            raise ForbiddenError
        return principal

    return check


AnyStaff = Annotated[Principal, Depends(allowed(*STAFF_ROLES))]
StaffOrBot = Annotated[Principal, Depends(allowed(*STAFF_ROLES, Role.INTERNAL))]
BotOnly = Annotated[Principal, Depends(allowed(Role.INTERNAL))]
