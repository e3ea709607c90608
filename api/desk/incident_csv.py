"""Incidents as a table: one a row, `;` between names, times in Beijing time as people and spreadsheets write them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from api.core.clock import BEIJING
from contract.incident import IncidentFacts
from contract.table import (
    CellError,
    Explain,
    join_names,
    read_rows,
    split_names,
    validated,
    write_rows,
    yes_no,
    yes_no_text,
)

COLUMNS = ("title", "kind", "services", "branches", "from", "to", "message", "workaround", "banner")

# Excel rewrites 2026-11-25 09:00 as 2026/11/25 9:00 when it saves.
_WRITTEN = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[ T](\d{1,2}):(\d{2})(?::(\d{2}))?")


def read_incidents(text: str, explain: Explain) -> Iterator[tuple[int, IncidentFacts]]:
    """Each incident with its line; raises CellError at the first mistake."""
    lines: dict[tuple[str, datetime], int] = {}
    for line, row in read_rows(text, COLUMNS):
        facts = validated(IncidentFacts, line, _facts(row), explain)
        first = lines.setdefault((facts.title, facts.starts_at), line)
        if first != line:
            raise CellError(line, "title", f"标题和开始时间与第 {first} 行相同")
        yield line, facts


def write_incidents(incidents: Iterable[IncidentFacts]) -> str:
    return write_rows(COLUMNS, map(_row, incidents))


def _facts(row: Mapping[str, str]) -> dict[str, object]:
    facts: dict[str, object] = {
        "title": row["title"],
        "services": split_names(row["services"]),
        "branches": split_names(row["branches"]),
        "from": _moment(row["from"]),
        "to": _moment(row["to"]) if row["to"] else None,
        "message": row["message"],
        "workaround": row["workaround"] or None,
    }
    if row["kind"]:
        facts["kind"] = row["kind"]
    if row["banner"]:
        facts["banner"] = yes_no(row["banner"])
    return facts


def _moment(cell: str) -> datetime | str:
    """What is not understood goes on to the model, which takes RFC 3339 and refuses the rest."""
    match = _WRITTEN.fullmatch(cell)
    if match is None:
        return cell
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=BEIJING)
    except ValueError:
        return cell


def _row(incident: IncidentFacts) -> dict[str, str]:
    return {
        "title": incident.title,
        "kind": incident.kind,
        "services": join_names(incident.services),
        "branches": join_names(incident.branches),
        "from": _written(incident.starts_at),
        "to": _written(incident.ends_at) if incident.ends_at else "",
        "message": incident.message,
        "workaround": incident.workaround or "",
        "banner": yes_no_text(incident.banner),
    }


def _written(moment: datetime) -> str:
    local = moment.astimezone(BEIJING)
    return f"{local:%Y-%m-%d %H:%M:%S}" if local.second else f"{local:%Y-%m-%d %H:%M}"
