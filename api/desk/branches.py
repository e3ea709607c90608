"""The branch directory: what explanations may state about a branch. A change holds for the next message."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic_core import to_json
from sqlalchemy import Connection, func, insert, select, update
from starlette.responses import Response

from api.core.context import context
from api.core.errors import NotFoundError
from api.core.models import counters
from api.core.principals import AnyStaff, BotOnly, allowed
from api.core.security import Principal, Role
from api.desk.models import branches
from api.dialogue.repository import BRANCHES
from contract.branch import Branch, BranchFacts

router = APIRouter(tags=["网点"])

Keeper = Annotated[Principal, Depends(allowed(Role.SUPERVISOR, Role.ADMIN))]
Code = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,32}$")]


def fill(connection: Connection, initial: tuple[Branch, ...], now: datetime) -> None:
    """The playbook's branches, the first time; afterwards the table is the truth."""
    if connection.execute(select(func.count()).select_from(branches)).scalar_one():
        return
    for branch in initial:
        _put(connection, branch, who="playbook", now=now)
    _next_version(connection)


def _put(connection: Connection, branch: Branch, *, who: str, now: datetime) -> bool:
    """True when the branch is new."""
    values = {"facts": branch.model_dump(mode="json", exclude={"code"}), "updated_at": now, "updated_by": who}
    changed = connection.execute(update(branches).where(branches.c.code == branch.code).values(values))
    if changed.rowcount:
        return False
    connection.execute(insert(branches), {"code": branch.code, **values})
    return True


def _next_version(connection: Connection) -> int:
    changed = connection.execute(
        update(counters)
        .where(counters.c.name == BRANCHES)
        .values(value=counters.c.value + 1)
        .returning(counters.c.value)
    ).scalar_one_or_none()
    if changed is not None:
        return int(changed)
    connection.execute(insert(counters), {"name": BRANCHES, "value": 1})
    return 1


def _all(connection: Connection) -> dict[str, Any]:
    rows = connection.execute(select(branches).order_by(branches.c.code))
    version = connection.execute(select(counters.c.value).where(counters.c.name == BRANCHES)).scalar_one_or_none()
    return {"version": version or 0, "branches": [_shown(row.code, row.facts) for row in rows]}


def _shown(code: str, facts: Any) -> dict[str, Any]:
    """Times as people write them; `machines` and `windows` may be null."""
    return {"code": code, **_short_times(facts)}


def _short_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: item[:5] if name in ("open", "close", "start", "end") else _short_times(item)
            for name, item in value.items()
        }
    return [_short_times(item) for item in value] if isinstance(value, list) else value


@router.put("/v1/branches/{code}")
async def put_branch(request: Request, keeper: Keeper, code: Code, body: BranchFacts) -> Response:
    """新建或更新网点；从下一条消息起生效。"""
    ctx = context(request)
    branch, now = Branch(code=code, **body.model_dump()), ctx.clock.now()

    def write(connection: Connection) -> tuple[bool, int]:
        version = _next_version(connection)  # first: its row lock lets one change of the directory through at a time
        return _put(connection, branch, who=keeper.id, now=now), version

    created, version = await ctx.db.write(write)
    shown = {**_shown(code, branch.model_dump(mode="json", exclude={"code"})), "version": version}
    return Response(to_json(shown), 201 if created else 200, media_type="application/json")


@router.get("/v1/branches")
async def list_branches(request: Request, staff: AnyStaff) -> Response:
    """全部网点。"""
    return Response(to_json(await context(request).db.read(_all)), media_type="application/json")


@router.get("/v1/branches/{code}")
async def read_branch(request: Request, staff: AnyStaff, code: Code) -> Response:
    """一个网点。"""
    found = await context(request).db.read(
        lambda connection: connection.execute(
            select(branches.c.facts).where(branches.c.code == code)
        ).scalar_one_or_none()
    )
    if found is None:
        raise NotFoundError(f"没有代码为 {code} 的网点。")
    return Response(to_json(_shown(code, found)), media_type="application/json")


@router.get("/internal/branches", include_in_schema=False)
async def branches_for_bot(request: Request, bot: BotOnly) -> Response:
    """The whole directory with its version, for bot and actions."""
    return Response(to_json(await context(request).db.read(_all)), media_type="application/json")
