"""The branch directory as a table: `playbook/branches.csv`, and the desk's import and export.

Hours are `1-5 09:00-12:00;1-5 13:30-17:00`, spans without days `12:00-12:20;…`, names are separated by `;`. Of
`holiday_hours`, `-` means closed and an empty cell that a holiday is like a Sunday.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from contract.branch import Branch
from contract.table import (
    CellError,
    Explain,
    join_names,
    number,
    read_rows,
    split_names,
    validated,
    write_rows,
    yes_no,
    yes_no_text,
)

COLUMNS = (
    "code", "name", "aliases", "address", "hours", "holiday_hours", "handover", "window_open_in_handover", "windows",
    "machines", "nearest",
)  # fmt: skip
# Tables from before holidays were known stay readable.
_OPTIONAL = ("holiday_hours",)
_CLOSED = "-"


def read_branches(text: str, explain: Explain) -> tuple[Branch, ...]:
    """Raises CellError at the first mistake."""
    found: dict[str, Branch] = {}
    for line, row in read_rows(text, COLUMNS, optional=_OPTIONAL):
        branch = validated(Branch, line, _facts(row), explain)
        if branch.code in found:
            raise CellError(line, "code", f"网点代码 {branch.code} 重复")
        found[branch.code] = branch
    if not found:
        raise CellError(1, None, "至少应有一个网点")
    return tuple(found.values())


def write_branches(branches: Iterable[Branch]) -> str:
    return write_rows(COLUMNS, map(_row, branches))


def _facts(row: Mapping[str, str]) -> dict[str, Any]:
    """A row in the shape of Branch; what does not parse is left for the model to refuse."""
    return {
        "code": row["code"],
        "name": row["name"],
        "aliases": split_names(row["aliases"]),
        "address": row["address"] or None,
        "hours": [_hours(part) for part in split_names(row["hours"])],
        "holiday_hours": _holiday_hours(row["holiday_hours"]),
        "handover": [_span(part, "start", "end") for part in split_names(row["handover"])],
        "window_open_in_handover": yes_no(row["window_open_in_handover"]),
        "windows": number(row["windows"]),
        "machines": row["machines"] or None,
        "nearest": split_names(row["nearest"]),
    }


def _hours(part: str) -> dict[str, str]:
    days, _, span = part.partition(" ")
    return {"days": days, **_span(span.strip(), "open", "close")}


def _holiday_hours(cell: str) -> list[dict[str, str]] | None:
    if not cell:
        return None
    return [] if cell == _CLOSED else [_span(part, "open", "close") for part in split_names(cell)]


def _span(part: str, first: str, last: str) -> dict[str, str]:
    start, _, end = part.partition("-")
    return {first: start.strip(), last: end.strip()}


def _row(branch: Branch) -> dict[str, str]:
    holidays = branch.holiday_hours
    return {
        "code": branch.code,
        "name": branch.name,
        "aliases": join_names(branch.aliases),
        "address": branch.address or "",
        "hours": join_names(f"{span.days} {span.open:%H:%M}-{span.close:%H:%M}" for span in branch.hours),
        "holiday_hours": _CLOSED
        if holidays == ()
        else join_names(f"{span.open:%H:%M}-{span.close:%H:%M}" for span in holidays or ()),
        "handover": join_names(f"{slot.start:%H:%M}-{slot.end:%H:%M}" for slot in branch.handover),
        "window_open_in_handover": yes_no_text(branch.window_open_in_handover),
        "windows": "" if branch.windows is None else str(branch.windows),
        "machines": branch.machines or "",
        "nearest": join_names(branch.nearest),
    }
