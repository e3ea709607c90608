"""Sessions of staff. SQL decides who is in and with what rights; Redis remembers when they were last seen.

So losing Redis logs nobody out and lets nobody in: a row that is gone is out at once, and a row's own `seen_at` is at most
a minute old.
"""

from datetime import timedelta

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from api.core.context import Context
from api.core.models import AnyRow, staff, staff_sessions
from api.core.security import Principal, Role, hash_token, new_id

# A session's idle time is written to SQL at most this often: one write a minute for a busy agent, not one a click.
_TOUCH_EVERY = timedelta(minutes=1)
_s = staff_sessions.c

_FIND = (
    select(
        staff.c.username, staff.c.display_name, staff.c.role, staff.c.unit, staff.c.units, staff.c.password_temporary,
        _s.created_at, _s.seen_at,
    )
    .join(staff, staff.c.id == _s.staff_id)
    .where(_s.token_hash == bindparam("token"), staff.c.active)
)  # fmt: skip


async def find_session(ctx: Context, token: str, *, touch: bool) -> Principal | None:
    """None for one that never was, has ended, or has been idle or open too long."""
    now, hashed = ctx.clock.now(), hash_token(token)
    row = await ctx.db.read(lambda connection: connection.execute(_FIND, {"token": hashed}).one_or_none())
    if row is None or abs(now - row.created_at) > ctx.settings.session_longest:
        return None
    # Either way: by a clock that was hours ahead, an idle session would stay open for as long.
    seen = row.seen_at
    if abs(now - seen) > ctx.settings.session_idle:
        seen = await ctx.redis.session_seen(hashed) or seen
    if abs(now - seen) > ctx.settings.session_idle:
        return None
    if touch:
        await ctx.redis.see_session(hashed, now, ctx.settings.session_idle)
    if touch and abs(now - row.seen_at) > _TOUCH_EVERY:
        statement = update(staff_sessions).where(_s.token_hash == hashed).values(seen_at=now)
        await ctx.db.write(lambda connection: connection.execute(statement))
    return Principal(
        id=row.username,
        name=row.display_name,
        role=Role(row.role),
        units=units_of(row),
        password_temporary=row.password_temporary,
    )


def units_of(row: AnyRow) -> tuple[str, ...]:
    return tuple(row.units) if row.units else (row.unit,) if row.unit else ()


def open_session(
    connection: Connection,
    *,
    staff_id: int,
    ctx: Context,
    address: str | None = None,
    browser: str | None = None,
    id_token: str | None = None,
) -> str:
    """The token for the cookie; only its hash is kept. Sessions past their longest life are swept out here."""
    token, now = new_id(), ctx.clock.now()
    connection.execute(delete(staff_sessions).where(_s.created_at < now - ctx.settings.session_longest))
    row = {"token_hash": hash_token(token), "staff_id": staff_id, "created_at": now, "seen_at": now}
    told = {"address": (address or "")[:64] or None, "browser": (browser or "")[:200] or None, "id_token": id_token}
    connection.execute(insert(staff_sessions), {**row, **told})
    return token


def close_session(connection: Connection, token: str) -> AnyRow | None:
    """The row that it was."""
    ended = delete(staff_sessions).where(_s.token_hash == hash_token(token)).returning(_s.staff_id, _s.id_token)
    return connection.execute(ended).one_or_none()


def close_sessions(connection: Connection, staff_id: int, *, but: str | None = None) -> int:
    """All of one account, save that of the token `but`; how many they were."""
    mine = [_s.staff_id == staff_id]
    if but is not None:
        mine.append(_s.token_hash != hash_token(but))
    return connection.execute(delete(staff_sessions).where(*mine)).rowcount


def sessions_of(connection: Connection, username: str) -> list[AnyRow]:
    """The newest first."""
    statement = (
        select(_s.token_hash, _s.created_at, _s.seen_at, _s.address, _s.browser)
        .join(staff, staff.c.id == _s.staff_id)
        .where(staff.c.username == username)
        .order_by(_s.created_at.desc())
    )
    return list(connection.execute(statement))
