"""What has a life: in force from a day to another, with a source. Ask for the value of a day, never for "the" value."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from contract.base import Frozen

CauseCode = Annotated[str, Field(pattern=r"^C(\d{1,2})$")]
DetailCode = Annotated[str, Field(pattern=r"^C\d{1,2}[a-e]$")]
AnyCause = Annotated[str, Field(pattern=r"^C\d{1,2}[a-e]?$")]

# V: read in the named source; P: our own proposal. W (weak source) and R (recall) never reach a customer as fact.
Reliability = Literal["V", "P", "W", "R"]


class Dated(Frozen):
    """In force from `effective_from` to the day before `effective_to` (None: until further notice)."""

    effective_from: date
    effective_to: date | None = None

    def holds_on(self, day: date) -> bool:
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)


class Sourced(Dated):
    """A dated statement with where it comes from and how sure that is."""

    source: str = Field(min_length=2)
    reliability: Reliability


_T = TypeVar("_T", bound=Dated)


def in_force(values: Sequence[_T], day: date) -> _T | None:
    """The one value in force on `day`; the loader has made sure that they do not overlap."""
    return next((value for value in values if value.holds_on(day)), None)


def check_no_overlap(values: Sequence[Dated], what: str) -> None:
    ordered = sorted(values, key=lambda value: value.effective_from)
    for earlier, later in pairwise(ordered):
        if earlier.effective_to is None or earlier.effective_to > later.effective_from:
            raise ValueError(
                f"{what} 的有效期不能重叠：{earlier.effective_from} 的一条应在 {later.effective_from} 前结束"
            )
