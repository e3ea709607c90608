"""The branch directory: what explanations may state about a branch. A change holds for the next message."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json
from sqlalchemy import Connection
from starlette.responses import Response

from api.core.context import context
from api.core.errors import NotFoundError
from api.core.principals import AnyStaff, BotOnly, allowed
from api.core.security import Principal, Role
from api.desk import directory
from api.desk.tables import CSV_BODY, CSV_RESPONSE, body_text, explain, refusal, table
from contract.branch import Branch, BranchFacts
from contract.branch_csv import read_branches, write_branches
from contract.table import CellError

router = APIRouter(tags=["网点"])

# Who keeps what explanations may state.
Keeper = Annotated[Principal, Depends(allowed(Role.SUPERVISOR, Role.ADMIN))]
Code = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,32}$")]


class BranchOut(BaseModel):
    """What the directory has of a branch, with times as HH:MM; `version` where it was changed."""

    model_config = ConfigDict(extra="allow")
    code: str
    name: str
    version: int | None = None


class BranchList(BaseModel):
    """`version` grows with every change of branches and incidents."""

    version: int
    branches: list[BranchOut]


class ImportOut(BaseModel):
    """How many rows did what."""

    created: int
    updated: int
    unchanged: int
    version: int


def shown(branch: Branch) -> dict[str, Any]:
    """Times as people write them."""
    return dict(_short_times(branch.model_dump(mode="json")))


def _short_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: item[:5] if name in ("open", "close", "start", "end") else _short_times(item)
            for name, item in value.items()
        }
    return [_short_times(item) for item in value] if isinstance(value, list) else value


def _all(connection: Connection) -> dict[str, Any]:
    version = directory.version(connection)  # first: facts newer than their number are only fetched once more
    return {"version": version, "branches": [shown(branch) for branch in directory.all_branches(connection)]}


@router.put(
    "/v1/branches/{code}", response_model=BranchOut, responses={201: {"model": BranchOut, "description": "新建的网点"}}
)
async def put_branch(request: Request, keeper: Keeper, code: Code, body: BranchFacts) -> Response:
    """新建或更新网点；从下一条消息起生效。"""
    ctx = context(request)
    branch, now = Branch(code=code, **body.model_dump()), ctx.clock.now()

    def write(connection: Connection) -> tuple[bool, int]:
        version = directory.next_version(connection)
        return directory.put_branch(connection, branch, who=keeper.id, now=now), version

    created, version = await ctx.db.write(write)
    return Response(
        to_json({**shown(branch), "version": version}), 201 if created else 200, media_type="application/json"
    )


@router.get("/v1/branches", response_model=BranchList)
async def list_branches(request: Request, staff: AnyStaff) -> Response:
    """全部网点。"""
    return Response(to_json(await context(request).db.read(_all)), media_type="application/json")


@router.get("/v1/branches/export", response_class=Response, responses=CSV_RESPONSE)
async def export_branches(request: Request, staff: AnyStaff) -> Response:
    """导出全部网点（CSV，列与 playbook/branches.csv 相同），改好后可以再导入。"""
    ctx = context(request)
    found = await ctx.db.read(directory.all_branches)
    return table(write_branches(found), f"branches-{ctx.clock.now():%Y%m%d}.csv")


@router.post("/v1/branches/import", openapi_extra=CSV_BODY, response_model=ImportOut)
async def import_branches(request: Request, keeper: Keeper) -> Response:
    """导入网点（CSV，UTF-8）：按代码新建或更新，文件里没有的网点不动；有一行错就全部不导入，并指出行和列。"""
    ctx, text = context(request), await body_text(request)
    try:
        given = await asyncio.to_thread(read_branches, text, explain)
    except CellError as error:
        raise refusal(error) from error
    now = ctx.clock.now()

    def write(connection: Connection) -> dict[str, int]:
        version = directory.next_version(connection)
        known = {branch.code: branch for branch in directory.all_branches(connection)}
        changed = [branch for branch in given if branch != known.get(branch.code)]
        for branch in changed:
            directory.put_branch(connection, branch, who=keeper.id, now=now)
        created = sum(branch.code not in known for branch in changed)
        counts = {"created": created, "updated": len(changed) - created, "unchanged": len(given) - len(changed)}
        return {**counts, "version": version}

    return Response(to_json(await ctx.db.write(write)), media_type="application/json")


@router.get("/v1/branches/{code}", response_model=BranchOut)
async def read_branch(request: Request, staff: AnyStaff, code: Code) -> Response:
    """一个网点。"""
    found = await context(request).db.read(lambda connection: directory.find_branch(connection, code))
    if found is None:
        raise NotFoundError(f"没有代码为 {code} 的网点。")
    return Response(to_json(shown(found)), media_type="application/json")


@router.get("/internal/branches", include_in_schema=False)
async def branches_for_bot(request: Request, bot: BotOnly) -> Response:
    """The whole directory with its version and the incidents, for bot and actions."""
    ctx = context(request)
    now = ctx.clock.now()

    def read(connection: Connection) -> dict[str, Any]:
        remembered = directory.remembered_incidents(connection, now)
        incidents = [incident.model_dump(mode="json", by_alias=True) for incident in remembered]
        return {**_all(connection), "incidents": incidents}

    return Response(to_json(await ctx.db.read(read)), media_type="application/json")
