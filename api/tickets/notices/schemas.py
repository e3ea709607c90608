"""Shapes of notices on the wire."""

from typing import Any, Literal

from pydantic import AwareDatetime

from api.core.models import AnyRow
from api.tickets.schemas import wire
from contract.base import Frozen

_SHOWN = (
    "id", "kind", "level", "text", "ticket_no", "incident_no", "to_unit", "created_at", "acknowledged_at", "acknowledged_by",
)  # fmt: skip


class NoticeOut(Frozen):
    """What somebody must look at; `level` 1 to 4, 4 pages somebody at once."""

    id: int
    kind: str
    level: Literal[1, 2, 3, 4]
    text: str
    ticket_no: str | None
    incident_no: str | None
    to_unit: str | None
    created_at: AwareDatetime
    acknowledged_at: AwareDatetime | None
    acknowledged_by: str | None


class NoticePage(Frozen):
    """The newest first."""

    notices: list[NoticeOut]
    next_cursor: str | None


def notice_item(row: AnyRow) -> dict[str, Any]:
    return wire({name: getattr(row, name) for name in _SHOWN})
