"""How tickets leave as a table: `export.yml`, the organisation's own columns and codes."""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from contract.base import Frozen
from contract.dated import Reliability

# A spreadsheet takes no more in one cell, and a title should be far shorter.
_Title = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_Code = Annotated[str, StringConstraints(strip_whitespace=True, max_length=32)]


class Column(Frozen):
    """A column: which field of a ticket (api/tickets/columns.py knows them), under which title."""

    field: str
    title: _Title


class Coded(Frozen):
    """A value of one face of the standard and the code that the bank reports it under; an empty code prints nothing."""

    name: str
    code: _Code = ""
    reliability: Reliability = "R"


class Faces(Frozen):
    """The three faces of JR/T 0169-2018: channel (A), category (B), reason (C), with the bank's codes."""

    business_channel: tuple[Coded, ...]
    business_category: tuple[Coded, ...]
    standard_reason: tuple[Coded, ...]

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        for face in (self.business_channel, self.business_category, self.standard_reason):
            check_unique([value.name for value in face], "faces 里的名称")
        return self

    def code(self, face: str, name: str | None) -> str | None:
        """None when the value has no code (yet)."""
        values: tuple[Coded, ...] = getattr(self, face)
        return next((value.code or None for value in values if value.name == name), None)


class Export(Frozen):
    """`export.yml`."""

    columns: tuple[Column, ...] = Field(min_length=1)
    faces: Faces

    @model_validator(mode="after")
    def _titles_differ(self) -> Self:
        check_unique([column.title for column in self.columns], "columns 里的标题")
        return self


def check_unique(names: Sequence[str], what: str) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{what}重复：{'、'.join(twice)}")
