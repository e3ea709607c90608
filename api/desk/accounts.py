"""Administration of accounts. Every change is noted by field, and holds for open sessions at once."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection

from api.core import audit, sessions
from api.core.context import context
from api.core.errors import ApiError, NotFoundError
from api.core.models import AnyRow
from api.core.principals import allowed
from api.core.security import Principal, Role, hash_password, hashing
from api.desk import staff as accounts
from api.desk.schemas import StaffChange, StaffIn, account_out
from api.desk.sessions import NoPasswordError, forget_guesses

router = APIRouter(tags=["账号管理"])

Admin = Annotated[Principal, Depends(allowed(Role.ADMIN))]
Overseer = Annotated[Principal, Depends(allowed(Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN))]


class UnknownAccountError(NotFoundError):
    """No account has this username."""

    code, message = "account_not_found", "没有这个账号，请核对用户名。"


class AccountExistsError(ApiError):
    """Usernames are never used twice: they stand in the audit chain."""

    status, code, message = (
        409,
        "account_exists",
        "已经有这个用户名的账号（停用的也算），请换一个，或重新启用原来的账号。",
    )


class LastAdminError(ApiError):
    """Somebody has to be able to administer."""

    status, code, message = (
        409,
        "last_admin",
        "这是最后一个可用的管理员账号，不能停用，也不能改成别的角色；请先增加一位管理员。",
    )


class OwnRightsError(ApiError):
    """Nobody changes their own rights."""

    status, code, message = 403, "own_rights", "不能改自己的角色、部门或停用自己，请由另一位管理员操作。"


@router.get("/v1/staff")
async def list_accounts(request: Request, overseer: Overseer) -> dict[str, list[dict[str, Any]]]:
    """全部账号。"""
    ctx = context(request)
    now, rows = ctx.clock.now(), await ctx.db.read(accounts.everybody)
    return {"staff": [account_out(row, now) for row in rows]}


@router.post("/v1/staff", status_code=201)
async def create_account(request: Request, admin: Admin, body: StaffIn) -> dict[str, Any]:
    """新建账号；一次性密码只在这次的回答里出现，首次登录必须修改。"""
    ctx, password = context(request), accounts.one_time_password()
    hashed, now = await hashing(hash_password, password), ctx.clock.now()

    def write(connection: Connection) -> AnyRow:
        if accounts.find(connection, body.username) is not None:
            raise AccountExistsError
        accounts.add(
            connection,
            username=body.username,
            display_name=body.display_name,
            role=body.role,
            unit=body.units[0] if body.units else None,
            units=list(body.units),
            password=password,
            password_hash=hashed,
            password_temporary=not body.single_sign_on,
            oidc_subject=accounts.awaited_subject(body.username) if body.single_sign_on else None,
            now=now,
            who=admin.id,
        )
        return _known(connection, body.username)

    made = account_out(await ctx.db.write(write), now)
    return made if body.single_sign_on else {**made, "password": password}


@router.patch("/v1/staff/{username}")
async def change_account(request: Request, admin: Admin, username: str, body: StaffChange) -> dict[str, Any]:
    """修改姓名、角色、部门，停用或启用；对已经登录的会话立即生效，停用会结束其全部会话。"""
    ctx = context(request)
    given = {name: value for name, value in body.model_dump(exclude_unset=True).items() if value is not None}
    if username == admin.id and given.keys() - {"display_name"}:
        raise OwnRightsError
    if "units" in given:
        given["units"] = list(given["units"])
        given["unit"] = given["units"][0] if given["units"] else None
    now = ctx.clock.now()

    def write(connection: Connection) -> AnyRow:
        others = accounts.other_admins(connection, username)
        account = _known(connection, username, lock=True)
        falls = given.get("role", Role.ADMIN) != Role.ADMIN or given.get("active") is False
        if account.role == Role.ADMIN and account.active and falls and not others:
            raise LastAdminError
        if given:
            accounts.change(connection, account, given, who=admin.id, action="change", now=now)
        if given.get("active") is False:
            sessions.close_sessions(connection, account.id)
        return _known(connection, username)

    return account_out(await ctx.db.write(write), now)


@router.post("/v1/staff/{username}/password")
async def reset_password(request: Request, admin: Admin, username: str) -> dict[str, Any]:
    """重置密码：得到一次性密码，首次登录必须修改；其全部会话立即失效。"""
    ctx, password = context(request), accounts.one_time_password()
    values = {"password_hash": await hashing(hash_password, password), "password_temporary": True}

    def write(connection: Connection) -> None:
        account = _known(connection, username, lock=True)
        if account.oidc_subject is not None:
            raise NoPasswordError
        accounts.change(
            connection, account, {**values, **accounts.UNLOCKED}, who=admin.id, action="password", now=ctx.clock.now()
        )
        sessions.close_sessions(connection, account.id)

    await ctx.db.write(write)
    await forget_guesses(ctx, username)
    return {"username": username, "password": password}


@router.post("/v1/staff/{username}/unlock", status_code=204)
async def unlock_account(request: Request, admin: Admin, username: str) -> None:
    """解除因输错密码造成的锁定。"""
    ctx = context(request)

    def write(connection: Connection) -> None:
        account = _known(connection, username, lock=True)
        accounts.change(connection, account, accounts.UNLOCKED, who=admin.id, action="unlock", now=ctx.clock.now())

    await ctx.db.write(write)
    await forget_guesses(ctx, username)


@router.delete("/v1/staff/{username}/sessions", status_code=204)
async def end_sessions(request: Request, admin: Admin, username: str) -> None:
    """结束一个账号的全部会话。"""
    ctx = context(request)

    def write(connection: Connection) -> None:
        account = _known(connection, username)
        sessions.close_sessions(connection, account.id)
        audit.note(connection, who=admin.id, action="staff.end_session", subject=username, now=ctx.clock.now())

    await ctx.db.write(write)


def _known(connection: Connection, username: str, *, lock: bool = False) -> AnyRow:
    account = accounts.find(connection, username, lock=lock)
    if account is None:
        raise UnknownAccountError
    return account
