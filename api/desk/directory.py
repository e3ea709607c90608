"""SQL of what the bot is told about the bank: branches, incidents, and the version that both share.

Every change counts the version up first: its row lock lets one change through at a time, and the next message of every
conversation carries the new number.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, update

from api.core import audit
from api.core.clock import SKEW
from api.core.errors import ApiError
from api.core.models import AnyRow, counters
from api.desk.models import branches, incidents
from api.dialogue.repository import BRANCHES
from api.tickets.repository import next_number
from contract.branch import Branch
from contract.incident import Incident

# A complaint about an outage may come weeks after it; the explanation then still knows it.
_REMEMBERED = timedelta(days=60)

DRAFT, CONFIRMED, DISMISSED = "draft", "confirmed", "dismissed"

_PER_DAY = 999  # three digits in the number

_i = incidents.c
_INCIDENTS = select(_i.incident_no, _i.starts_at, _i.ends_at, _i.facts)
_TOLD = _i.status == CONFIRMED
_NEWEST_FIRST = _INCIDENTS.order_by(_i.starts_at.desc(), _i.incident_no.desc())


class TooManyIncidentsError(ApiError):
    """The day's numbers are used up."""

    status, code = 409, "too_many_incidents"
    message = f"一天最多登记 {_PER_DAY} 件事件，请修改已有的事件，或明天再登记。"


def next_version(connection: Connection) -> int:
    return next_number(connection, BRANCHES)


def version(connection: Connection) -> int:
    found = connection.execute(select(counters.c.value).where(counters.c.name == BRANCHES)).scalar_one_or_none()
    return int(found or 0)


def fill(connection: Connection, initial: Iterable[Branch], now: datetime) -> None:
    """The playbook's branches, the first time; afterwards the table is the truth."""
    if connection.execute(select(func.count()).select_from(branches)).scalar_one():
        return
    for branch in initial:
        put_branch(connection, branch, who="playbook", now=now)
    next_version(connection)


def put_branch(connection: Connection, branch: Branch, *, who: str, now: datetime) -> bool:
    """True when the branch is new."""
    facts = branch.model_dump(mode="json", exclude={"code"})
    values = {"facts": facts, "updated_at": now, "updated_by": who}
    old = connection.execute(select(branches.c.facts).where(branches.c.code == branch.code)).scalar_one_or_none()
    _note(connection, "branch.put", branch.code, old, facts, who=who, now=now)
    changed = connection.execute(update(branches).where(branches.c.code == branch.code).values(values))
    if changed.rowcount:
        return False
    connection.execute(insert(branches), {"code": branch.code, **values})
    return True


def _note(
    connection: Connection, action: str, subject: str, old: Any, new: dict[str, Any], *, who: str, now: datetime
) -> None:
    before = old or {}
    changes = {name: (before.get(name), value) for name, value in new.items() if before.get(name) != value}
    audit.note(connection, who=who, action=action, subject=subject, now=now, changes=changes)


def all_branches(connection: Connection) -> list[Branch]:
    """By code."""
    rows = connection.execute(select(branches.c.code, branches.c.facts).order_by(branches.c.code))
    return [_branch(row) for row in rows]


def find_branch(connection: Connection, code: str) -> Branch | None:
    row = connection.execute(select(branches.c.code, branches.c.facts).where(branches.c.code == code)).one_or_none()
    return None if row is None else _branch(row)


def branch_codes(connection: Connection) -> frozenset[str]:
    return frozenset(connection.execute(select(branches.c.code)).scalars())


def _branch(row: AnyRow) -> Branch:
    """Rows of an earlier version lack what was added since; the model's defaults stand in."""
    return Branch.model_validate({"code": row.code, **row.facts})


def new_incident_no(connection: Connection, day: date) -> str:
    """SJ, the day of the announcement, and a number that grows within it."""
    number = next_number(connection, f"incident:{day:%Y%m%d}")
    if number > _PER_DAY:
        raise TooManyIncidentsError
    return f"SJ{day:%Y%m%d}{number:03d}"


def put_incident(connection: Connection, incident: Incident, *, who: str, now: datetime) -> None:
    facts = incident.model_dump(mode="json", exclude={"incident_no", "starts_at", "ends_at"})
    values = {
        "starts_at": incident.starts_at,
        "ends_at": incident.ends_at,
        "facts": facts,
        "updated_at": now,
        "updated_by": who,
    }
    mine = select(_i.facts, _i.starts_at, _i.ends_at).where(_i.incident_no == incident.incident_no)
    old = connection.execute(mine).one_or_none()
    before = {**old.facts, "starts_at": old.starts_at, "ends_at": old.ends_at} if old is not None else None
    times = {"starts_at": incident.starts_at, "ends_at": incident.ends_at}
    _note(connection, "incident.put", incident.incident_no, before, {**facts, **times}, who=who, now=now)
    changed = connection.execute(update(incidents).where(_i.incident_no == incident.incident_no).values(values))
    if not changed.rowcount:
        connection.execute(insert(incidents), {"incident_no": incident.incident_no, "created_at": now, **values})


def put_draft(connection: Connection, incident: Incident, *, cluster: str, now: datetime) -> None:
    put_incident(connection, incident, who="system", now=now)
    mark_incident(connection, incident.incident_no, {"status": DRAFT, "cluster": cluster})


def mark_incident(connection: Connection, incident_no: str, values: dict[str, Any]) -> None:
    connection.execute(update(incidents).where(_i.incident_no == incident_no).values(values))


def marks(connection: Connection) -> dict[str, AnyRow]:
    """By number what the desk must know beside the facts: `status` and `cluster`."""
    return {row.incident_no: row for row in connection.execute(select(_i.incident_no, _i.status, _i.cluster))}


@dataclass(frozen=True, slots=True)
class KnownCluster:
    """The newest incident that was opened for a cluster."""

    incident_no: str
    opened_at: datetime
    runs: bool
    undecided: bool


def clusters(connection: Connection, now: datetime, since: datetime) -> dict[str, KnownCluster]:
    """By the cluster's key; those that have ended only when they were opened after `since`."""
    runs = or_(_i.ends_at.is_(None), _i.ends_at > now)
    wanted = (_i.cluster.is_not(None), or_(runs, _i.created_at > since))
    rows = connection.execute(
        select(_i.cluster, _i.incident_no, _i.created_at, _i.status, _i.ends_at).where(*wanted).order_by(_i.created_at)
    )
    return {
        row.cluster: KnownCluster(
            row.incident_no,
            row.created_at,
            runs=row.status != DISMISSED and (row.ends_at is None or row.ends_at > now),
            undecided=row.status == DRAFT,
        )
        for row in rows
    }


def opened_ahead(connection: Connection, now: datetime) -> bool:
    """Whether a cluster's incident was opened by a clock that was ahead."""
    return connection.execute(select(_i.incident_no).where(*_ahead(now)).limit(1)).one_or_none() is not None


def set_right(connection: Connection, now: datetime) -> None:
    """Such an incident would silence what comes until its own time: it was opened now at the latest."""
    connection.execute(update(incidents).where(*_ahead(now)).values(created_at=now))


def _ahead(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return _i.cluster.is_not(None), _i.created_at > now + SKEW


def find_incident(connection: Connection, incident_no: str) -> Incident | None:
    row = connection.execute(_INCIDENTS.where(_i.incident_no == incident_no)).one_or_none()
    return None if row is None else _incident(row)


def all_incidents(connection: Connection) -> list[Incident]:
    """The newest first."""
    return [_incident(row) for row in connection.execute(_NEWEST_FIRST)]


def told_incidents(connection: Connection) -> list[Incident]:
    """Those that a supervisor announced or confirmed, the newest first."""
    return [_incident(row) for row in connection.execute(_NEWEST_FIRST.where(_TOLD))]


def running_incidents(connection: Connection, now: datetime) -> list[Incident]:
    holds = (_i.starts_at <= now, or_(_i.ends_at.is_(None), _i.ends_at > now))
    return [_incident(row) for row in connection.execute(_NEWEST_FIRST.where(*holds, _TOLD))]


def remembered_incidents(connection: Connection, now: datetime) -> list[Incident]:
    """What bot and actions may have to explain. Those still to come are among them: no new version tells that one began."""
    lately = or_(_i.ends_at.is_(None), _i.ends_at > now - _REMEMBERED)
    return [_incident(row) for row in connection.execute(_NEWEST_FIRST.where(lately, _TOLD))]


def _incident(row: AnyRow) -> Incident:
    return Incident.model_validate(
        {"incident_no": row.incident_no, "starts_at": row.starts_at, "ends_at": row.ends_at, **row.facts}
    )
