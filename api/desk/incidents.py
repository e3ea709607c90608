"""What touches many customers at once: announced by a supervisor, known to the next message, shown above the chat."""

import asyncio
from collections.abc import Set
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import ConfigDict, Field, StrictBool, ValidationError
from pydantic_core import to_json
from sqlalchemy import Connection
from starlette.responses import Response

from api.core.bus import Event
from api.core.clock import BEIJING
from api.core.context import context
from api.core.errors import ApiError, ContradictionError, NotFoundError, invalid
from api.core.principals import AnyStaff
from api.core.security import Principal
from api.desk import directory
from api.desk.branches import ImportOut, Keeper
from api.desk.incident_csv import read_incidents, write_incidents
from api.desk.tables import CSV_BODY, CSV_RESPONSE, body_text, explain, refusal, table
from api.tickets.clusters import repository as clusters
from contract.base import Frozen, Moment
from contract.incident import Incident, IncidentFacts, Message, Workaround
from contract.table import CellError

router = APIRouter(tags=["事件"])

Number = Annotated[str, Path(pattern=r"^SJ\d{11}$")]
_FOR_CUSTOMERS = {"incident_no", "title", "message", "workaround", "services", "starts_at", "ends_at"}


class IncidentChange(Frozen):
    """Only what is named changes; the defaults are never read."""

    model_config = ConfigDict(populate_by_name=True)

    message: Message = ""
    workaround: Workaround | None = None
    ends_at: Moment | None = Field(default=None, alias="to")
    services: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    banner: StrictBool = True


class IncidentOut(Incident):
    """`running`: it holds now and customers may hear of it; `tickets`: how many belong to it; `version` where it was changed."""

    running: bool
    status: Literal["draft", "confirmed", "dismissed"]
    tickets: int | None = None
    version: int | None = None


class IncidentList(Frozen):
    """The newest first."""

    incidents: list[IncidentOut]


class ToldIncident(Frozen):
    """What customers see of an incident."""

    model_config = ConfigDict(populate_by_name=True)

    incident_no: str
    title: str
    message: str
    workaround: str | None
    services: list[str]
    starts_at: Moment = Field(alias="from")
    ends_at: Moment | None = Field(alias="to")


class ToldIncidents(Frozen):
    """Those that hold now and have a banner."""

    incidents: list[ToldIncident]


class IncidentNotFoundError(NotFoundError):
    """No incident has this number."""

    code, message = "incident_not_found", "没有这个编号的事件，请检查编号（SJ 开头，11 位数字）。"


class UnknownBranchesError(ContradictionError):
    """An incident at a branch that the directory does not have would never be found again."""

    def __init__(self, codes: list[str]) -> None:
        reason = f"网点目录里没有 {'、'.join(codes)}"
        super().__init__(
            f"{reason}，请检查网点代码，或先登记网点。", details=[{"field": "branches", "message": reason}]
        )


class IncidentDismissedError(ApiError):
    """A dismissed incident stays dismissed."""

    status, code, message = 409, "incident_dismissed", "这个事件已经作废；如果确有其事，请重新登记。"


class IncidentConfirmedError(ApiError):
    """What customers were told cannot be made undone, only ended."""

    status, code, message = 409, "incident_confirmed", "这个事件已经确认，不能作废；请填写结束时间（to）。"


def _shown(incident: Incident, now: datetime, status: str = directory.CONFIRMED) -> dict[str, Any]:
    running = incident.holds_at(now) and status == directory.CONFIRMED
    return {**incident.model_dump(mode="json", by_alias=True), "running": running, "status": status}


def _numbered(facts: IncidentFacts, incident_no: str) -> Incident:
    """In Beijing time and to the second, as tables and people write it."""
    ends = facts.ends_at and _to_the_second(facts.ends_at)
    values = {**facts.model_dump(), "starts_at": _to_the_second(facts.starts_at), "ends_at": ends}
    return _checked({**values, "incident_no": incident_no})


def _to_the_second(moment: datetime) -> datetime:
    return moment.astimezone(BEIJING).replace(microsecond=0)


def _checked(facts: dict[str, Any]) -> Incident:
    try:
        return Incident.model_validate(facts)
    except ValidationError as error:
        raise invalid(error.errors()) from error


@router.post("/v1/incidents", status_code=201, response_model=IncidentOut)
async def announce_incident(request: Request, keeper: Keeper, body: IncidentFacts) -> Response:
    """登记事件（升级、故障、客流），从下一条消息起生效；services、branches 为空表示全部，to 为空表示还没有结束。"""
    ctx = context(request)
    now = ctx.clock.now()

    def write(connection: Connection) -> tuple[Incident, int]:
        version = directory.next_version(connection)
        _check_branches(connection, body)
        incident = _numbered(body, directory.new_incident_no(connection, now.date()))
        directory.put_incident(connection, incident, who=keeper.id, now=now)
        return incident, version

    incident, version = await ctx.db.write(write)
    return _json({**_shown(incident, now), "version": version}, 201)


@router.get("/v1/incidents", response_model=IncidentList)
async def list_incidents(request: Request, staff: AnyStaff, running: bool | None = None) -> Response:
    """全部事件，新的在前；running=true 只看正在发生的，running=false 只看其他的。"""
    ctx = context(request)
    now = ctx.clock.now()

    def read(connection: Connection) -> list[dict[str, Any]]:
        marks = directory.marks(connection)
        return [_shown(one, now, marks[one.incident_no].status) for one in directory.all_incidents(connection)]

    shown = await ctx.db.read(read)
    return _json({"incidents": [one for one in shown if running is None or one["running"] is running]})


@router.get("/v1/incidents/export", response_class=Response, responses=CSV_RESPONSE)
async def export_incidents(request: Request, staff: AnyStaff) -> Response:
    """导出全部事件（CSV，不含待确认和作废的），改好后可以再导入。"""
    ctx = context(request)
    found = await ctx.db.read(directory.told_incidents)
    return table(write_incidents(found), f"incidents-{ctx.clock.now():%Y%m%d}.csv")


@router.post("/v1/incidents/import", openapi_extra=CSV_BODY, response_model=ImportOut)
async def import_incidents(request: Request, keeper: Keeper) -> Response:
    """导入事件（CSV，UTF-8）：标题和开始时间都相同的是同一事件，会更新；有一行错就全部不导入，并指出行和列。"""
    ctx, text = context(request), await body_text(request)
    try:
        given = await asyncio.to_thread(lambda: list(read_incidents(text, explain)))
    except CellError as error:
        raise refusal(error) from error
    now = ctx.clock.now()

    def write(connection: Connection) -> dict[str, int]:
        version = directory.next_version(connection)
        return {**_take(connection, given, who=keeper.id, now=now), "version": version}

    return _json(await ctx.db.write(write))


def _take(connection: Connection, given: list[tuple[int, IncidentFacts]], *, who: str, now: datetime) -> dict[str, int]:
    known = {(incident.title, incident.starts_at): incident for incident in directory.all_incidents(connection)}
    codes = directory.branch_codes(connection)
    counts = {"created": 0, "updated": 0, "unchanged": 0}
    for line, facts in given:
        if unknown := _unknown(facts, codes):
            raise refusal(CellError(line, "branches", f"网点目录里没有 {'、'.join(unknown)}"))
        old = known.get((facts.title, _to_the_second(facts.starts_at)))
        incident = _numbered(facts, old.incident_no if old else directory.new_incident_no(connection, now.date()))
        if incident == old:
            counts["unchanged"] += 1
            continue
        directory.put_incident(connection, incident, who=who, now=now)
        counts["updated" if old else "created"] += 1
    return counts


@router.get("/v1/incidents/{incident_no}", response_model=IncidentOut)
async def read_incident(request: Request, staff: AnyStaff, incident_no: Number) -> Response:
    """一个事件。"""
    ctx = context(request)
    now = ctx.clock.now()
    return _json(await ctx.db.read(lambda connection: _detail(connection, incident_no, now)))


@router.patch("/v1/incidents/{incident_no}", response_model=IncidentOut)
async def change_incident(request: Request, keeper: Keeper, incident_no: Number, body: IncidentChange) -> Response:
    """修改事件，只改提交的几项；结束事件就填 to，又发生了就把 to 改回 null。从下一条消息起生效。"""
    ctx = context(request)
    now = ctx.clock.now()

    def write(connection: Connection) -> dict[str, Any]:
        version = directory.next_version(connection)
        old = _known(connection, incident_no)
        incident = _numbered(_checked({**old.model_dump(), **body.model_dump(exclude_unset=True)}), incident_no)
        _check_branches(connection, incident)
        directory.put_incident(connection, incident, who=keeper.id, now=now)
        return {**_detail(connection, incident_no, now), "version": version}

    return _json(await ctx.db.write(write))


@router.post("/v1/incidents/{incident_no}/confirm", response_model=IncidentOut)
async def confirm_incident(request: Request, keeper: Keeper, incident_no: Number) -> Response:
    """确认待确认的事件（集中投诉自动登记的），从下一条消息起可以告诉客户；先用 PATCH 把内容改准。"""
    return await _decide(request, keeper, incident_no, directory.CONFIRMED)


@router.post("/v1/incidents/{incident_no}/dismiss", response_model=IncidentOut)
async def dismiss_incident(request: Request, keeper: Keeper, incident_no: Number) -> Response:
    """作废待确认的事件；已归入的工单照常办理，此后的新投诉重新计数。"""
    return await _decide(request, keeper, incident_no, directory.DISMISSED)


async def _decide(request: Request, keeper: Principal, incident_no: str, to: str) -> Response:
    """The second time changes nothing and answers the same."""
    ctx = context(request)
    now = ctx.clock.now()

    def write(connection: Connection) -> dict[str, Any]:
        version = directory.next_version(connection)
        incident, status = _known(connection, incident_no), directory.marks(connection)[incident_no].status
        if status == directory.DISMISSED != to:
            raise IncidentDismissedError
        if status == directory.CONFIRMED != to:
            raise IncidentConfirmedError
        if status != to:
            directory.put_incident(connection, incident, who=keeper.id, now=now)
            directory.mark_incident(connection, incident_no, {"status": to})
        return {**_detail(connection, incident_no, now), "version": version}

    shown = await ctx.db.write(write)
    ctx.bus.publish("desk", Event())
    return _json(shown)


@router.get("/v1/public/incidents", tags=["客户"], response_model=ToldIncidents)
async def incidents_for_customers(request: Request) -> Response:
    """正在发生、要在对话窗口上方提示的事件；不需要登录。"""
    ctx = context(request)
    now = ctx.clock.now()
    found = await ctx.db.read(lambda connection: directory.running_incidents(connection, now))
    told = [
        incident.model_dump(mode="json", by_alias=True, include=_FOR_CUSTOMERS) for incident in found if incident.banner
    ]
    return _json({"incidents": told})


def _detail(connection: Connection, incident_no: str, now: datetime) -> dict[str, Any]:
    """With how many tickets belong to it; sealed ones are not among them."""
    incident, mark = _known(connection, incident_no), directory.marks(connection)[incident_no]
    return {**_shown(incident, now, mark.status), "tickets": clusters.linked_to(connection, incident_no)}


def _known(connection: Connection, incident_no: str) -> Incident:
    found = directory.find_incident(connection, incident_no)
    if found is None:
        raise IncidentNotFoundError
    return found


def _check_branches(connection: Connection, facts: IncidentFacts) -> None:
    if unknown := _unknown(facts, directory.branch_codes(connection)):
        raise UnknownBranchesError(unknown)


def _unknown(facts: IncidentFacts, codes: Set[str]) -> list[str]:
    return [code for code in facts.branches if code not in codes]


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return Response(to_json(value), status, media_type="application/json")
