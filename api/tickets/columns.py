"""What a column of the export may show, and how one ticket becomes the cells of a row."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Column

from api.core.clock import BEIJING
from api.core.crypto import EncryptedBytes
from api.core.models import AnyRow
from api.tickets.handoff.payload import hidden, masked
from api.tickets.lifecycle import LABELS, State
from api.tickets.models import tickets
from api.tickets.views import is_overdue
from contract.export import Export, Faces
from contract.playbook import Taxonomy

# What a cell can be; text stays text in every spreadsheet, dates are without a zone (Beijing), as spreadsheets want them.
Cell = str | int | float | Decimal | datetime | date | None

_INSIDE = frozenset({"id", "phone_index"})
_FACES = {
    "business_channel": "business_channel",
    "business_category": "business_category",
    "standard_reason": "std_code",
}


class ExportColumnError(ValueError):
    """`export.yml` names a field that tickets do not have; the message lists those that they have."""


class Columns:
    """The columns of one playbook. Raises ExportColumnError."""

    def __init__(self, export: Export, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._faces = export.faces
        self._made = self._makers()
        known = {column.name for column in tickets.c} - _INSIDE | self._made.keys()
        if unknown := sorted({column.field for column in export.columns} - known):
            raise ExportColumnError(
                f"playbook/export.yml：没有 {'、'.join(unknown)} 这个 field，可用：{'、'.join(sorted(known))}"
            )
        self.titles = [column.title for column in export.columns]
        self._fields = [column.field for column in export.columns]
        # What the makers look at is read as well; encrypted columns only when they are shown.
        always = {"id", "ticket_no", "state", "cause_l1", "cause_l2", "due_at", *_FACES.values()}
        self.read: list[Column[Any]] = [c for c in tickets.c if c.name in always.union(self._fields)]

    def cells(self, row: AnyRow, now: datetime, *, full: bool) -> list[Cell]:
        return [self._cell(field, row, now, full=full) for field in self._fields]

    def _makers(self) -> Mapping[str, Callable[[AnyRow, datetime], Cell]]:
        made: dict[str, Callable[[AnyRow, datetime], Cell]] = {
            "state_label": lambda row, now: LABELS[State(row.state)],
            "cause_name": lambda row, now: self._taxonomy.name(row.cause_l2 or row.cause_l1),
            "overdue": lambda row, now: "是" if is_overdue(row, now) else "否",
            "standard_reason": lambda row, now: row.std_code,
        }
        return made | {f"{face}_code": _coded(self._faces, face, column) for face, column in _FACES.items()}

    def _cell(self, field: str, row: AnyRow, now: datetime, *, full: bool) -> Cell:
        if (make := self._made.get(field)) is not None:
            return make(row, now)
        value = getattr(row, field)
        if value is not None and not full:
            value = _for_everybody(field, value)
        return _Number.get(field, _plain)(value)


def _coded(faces: Faces, face: str, column: str) -> Callable[[AnyRow, datetime], Cell]:
    return lambda row, now: faces.code(face, getattr(row, column))


def _for_everybody(field: str, value: Any) -> Any:
    """Person fields masked, phones in texts as well."""
    if field in ("name", "phone", "card_tail"):
        return masked(field, str(value))
    return hidden(value) if isinstance(tickets.c[field].type, EncryptedBytes) and isinstance(value, str) else value


def _plain(value: Any) -> Cell:
    if value is True or value is False:
        return "是" if value else "否"
    if isinstance(value, datetime):
        return value.astimezone(BEIJING).replace(tzinfo=None)
    if isinstance(value, list | tuple):
        return "、".join(str(item) for item in value)
    if isinstance(value, dict):
        return "、".join(f"{name}：{item}" for name, item in value.items())
    return value if isinstance(value, int | float) else None if value is None else str(value)


def _amount(value: Any) -> Cell:
    try:
        return Decimal(value) if value is not None else None
    except InvalidOperation:
        return str(value)


_Number: Mapping[str, Callable[[Any], Cell]] = {"amount": _amount}
