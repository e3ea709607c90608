"""API keys of other systems: shown once, kept as hashes, limited by role, units, scopes and time."""

from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import Connection, insert, select, update

from api.core import audit
from api.core.context import context
from api.core.errors import ApiError, ContradictionError, NotFoundError
from api.core.models import AnyRow, api_keys
from api.core.principals import KEY_PREFIX, key_prefix
from api.core.security import hash_token, new_id
from api.desk.accounts import Admin
from api.desk.schemas import KeyIn, key_out

router = APIRouter(tags=["账号管理"])

_k = api_keys.c


class KeyNameTakenError(ApiError):
    """Names stand in the audit chain and before idempotency keys: never used twice."""

    status, code, message = 409, "key_name_taken", "这个名字的密钥已经有过（吊销的也算），请换一个名字。"


class UnknownKeyError(NotFoundError):
    """No key has this number, or it was revoked before."""

    code, message = "key_not_found", "没有这个密钥，或者已经吊销，请刷新列表。"


@router.get("/v1/api-keys")
async def list_keys(request: Request, admin: Admin) -> dict[str, list[dict[str, Any]]]:
    """全部密钥（不含密钥本身），新的在前。"""
    newest_first = select(api_keys).order_by(_k.id.desc())
    rows = await context(request).db.read(lambda connection: connection.execute(newest_first).all())
    return {"api_keys": [key_out(row) for row in rows]}


@router.post("/v1/api-keys", status_code=201)
async def create_key(request: Request, admin: Admin, body: KeyIn) -> dict[str, Any]:
    """新建密钥；密钥只在这次的回答里出现。scopes 为空表示角色的全部权限。"""
    ctx, key = context(request), f"{KEY_PREFIX}{new_id()}{new_id()}"
    now = ctx.clock.now()
    if body.expires_at is not None and body.expires_at <= now:
        raise ContradictionError("有效期（expires_at）应在将来，请改晚一些。")
    values = {
        **body.model_dump(),
        "units": list(body.units),
        "scopes": sorted(body.scopes),
        "prefix": key_prefix(key),
        "created_by": admin.id,
        "created_at": now,
    }

    def write(connection: Connection) -> AnyRow:
        taken = connection.execute(select(_k.id).where(_k.name == body.name)).first() is not None
        if taken or body.name in ctx.api_keys.names:
            raise KeyNameTakenError
        connection.execute(insert(api_keys), {**values, "key_hash": hash_token(key)})
        told = {name: (None, values[name]) for name in ("prefix", "role", "units", "scopes", "expires_at")}
        audit.note(connection, who=admin.id, action="key.create", subject=body.name, now=now, changes=told)
        return connection.execute(select(api_keys).where(_k.prefix == values["prefix"])).one()

    return {**key_out(await ctx.db.write(write)), "key": key}


@router.delete("/v1/api-keys/{key_id}", status_code=204)
async def revoke_key(request: Request, admin: Admin, key_id: int) -> None:
    """吊销密钥，立即失效。"""
    ctx = context(request)
    now = ctx.clock.now()

    def write(connection: Connection) -> None:
        revoked = update(api_keys).where(_k.id == key_id, _k.revoked_at.is_(None)).values(revoked_at=now)
        name = connection.execute(revoked.returning(_k.name)).scalar_one_or_none()
        if name is None:
            raise UnknownKeyError
        audit.note(connection, who=admin.id, action="key.revoke", subject=name, now=now)

    await ctx.db.write(write)
