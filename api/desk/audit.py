"""The audit chain as auditors read it. That somebody read it is itself noted.

What was done to tickets about the reader is left out (回避), and their numbers where an entry names many. The chain itself keeps all.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from pydantic_core import to_json
from sqlalchemy import ColumnElement, Connection, select
from starlette.responses import Response

from api.core import audit as chain
from api.core.clock import rfc3339
from api.core.context import context
from api.core.models import AnyRow, audit
from api.core.paging import Cursor, cursor_of, position_of
from api.core.principals import allowed
from api.core.security import Principal, Role
from api.tickets.models import tickets
from api.tickets.repository import is_about
from contract.base import Moment

router = APIRouter(tags=["审计"])

Auditor = Annotated[Principal, Depends(allowed(Role.AUDITOR, Role.ADMIN))]
_Text = Annotated[str | None, Query(max_length=80)]
_a = audit.c
_MANY = ("ticket_nos", "removed", "kept")  # changes that name tickets


class AuditPage(BaseModel):
    """The newest first."""

    entries: list[dict[str, Any]]
    next_cursor: str | None


@router.get("/v1/audit", response_model=AuditPage)
async def read_audit(
    request: Request,
    auditor: Auditor,
    who: _Text = None,
    subject: _Text = None,
    action: _Text = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """审计记录，新的在前：谁（who）、对什么（subject）、做了什么（action，可写到点号为止，如 ticket.）、从何时到何时。"""
    ctx = context(request)
    conditions = [_a.who == who if who else None, _a.subject == subject if subject else None, _acts(action)]
    conditions += [~select(tickets.c.id).where(tickets.c.ticket_no == _a.subject, is_about(auditor)).exists()]
    conditions += [_a.at >= since if since else None, _a.at < until if until else None, _before(cursor)]
    wanted = select(audit).where(*(one for one in conditions if one is not None)).order_by(_a.seq.desc())
    filters = {"who": who, "subject": subject, "action": action, "from": since, "to": until}
    told = {name: (None, value) for name, value in filters.items() if value is not None}

    def read(connection: Connection) -> tuple[list[AnyRow], set[str]]:
        found = list(connection.execute(wanted.limit(limit + 1)))
        named = {number for row in found for number in _named(row)}
        about = select(tickets.c.ticket_no).where(tickets.c.ticket_no.in_(named), is_about(auditor))
        return found, set(connection.execute(about).scalars()) if named else set()

    rows, about = await ctx.db.read(read)
    await ctx.db.write(
        lambda connection: chain.note(
            connection, who=auditor.id, action="audit.read", subject="*", now=ctx.clock.now(), changes=told
        )
    )
    more = cursor_of(rows[limit - 1].seq) if len(rows) > limit else None
    return Response(
        to_json({"entries": [_shown(row, about) for row in rows[:limit]], "next_cursor": more}),
        media_type="application/json",
    )


def _acts(action: str | None) -> ColumnElement[bool] | None:
    if not action:
        return None
    return _a.action.startswith(action, autoescape=True) if action.endswith(".") else _a.action == action


def _before(cursor: str | None) -> ColumnElement[bool] | None:
    seq = position_of(cursor)
    return None if seq is None else _a.seq < seq


def _named(row: AnyRow) -> list[str]:
    return [number for name in _MANY for number in (row.changes.get(name) or (None, None))[1] or ()]


def _shown(row: AnyRow, about: set[str]) -> dict[str, Any]:
    changes = row.changes
    if not about.isdisjoint(_named(row)):
        some = {name: changes[name] for name in _MANY if changes.get(name)}
        changes = {
            **changes,
            **{name: [old, [one for one in new or () if one not in about]] for name, (old, new) in some.items()},
        }
    return {**row._asdict(), "at": rfc3339(row.at), "changes": changes}
