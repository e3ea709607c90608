"""A branch as the directory knows it: what explanations may state about it (api.md, `PUT /v1/branches/{code}`)."""

import re
from datetime import time
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, WithJsonSchema, model_validator

from contract.base import AS_NUMBER, Frozen, contradiction

_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_AS_CLOCKS_SHOW = "应为 24 小时制的时:分，例如 09:00"
_DAYS = r"^[1-7](-[1-7])?(,[1-7](-[1-7])?)*$"


def _check_days(days: str) -> str:
    if not re.fullmatch(_DAYS, days):
        raise ValueError("应为 1-7 的星期，例如 1-5 或 6,7")
    return days


def _check_written(value: Any) -> Any:
    if isinstance(value, (int, float)):
        raise ValueError(_AS_CLOCKS_SHOW)
    return value


def _check_minutes(value: time) -> time:
    if value.tzinfo or value.second or value.microsecond:
        raise ValueError(_AS_CLOCKS_SHOW)
    return value


Days = Annotated[str, AfterValidator(_check_days), WithJsonSchema({"type": "string", "pattern": _DAYS})]
WallTime = Annotated[
    time,
    BeforeValidator(_check_written),
    AfterValidator(_check_minutes),
    WithJsonSchema({"type": "string", "pattern": _CLOCK}, mode="validation"),
]


class Span(Frozen):
    """Opening and closing on one day."""

    open: WallTime
    close: WallTime

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.open >= self.close:
            raise contradiction(f"开门 {self.open:%H:%M} 应早于关门 {self.close:%H:%M}")
        return self


class Hours(Span):
    """One published opening span; `days` counts Monday as 1. A lunch break is two spans."""

    days: Days


class HandoverSlot(Frozen):
    """When the counter counts cash and vouchers from one teller to the next."""

    start: WallTime
    end: WallTime

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start >= self.end:
            raise contradiction(f"交班开始 {self.start:%H:%M} 应早于结束 {self.end:%H:%M}")
        return self


class BranchFacts(Frozen):
    """Everything about a branch but its code.

    A weekend day that the State Council made a working day (调休) has Monday's hours. On a public holiday the hours are
    `holiday_hours` (empty: closed); where it is null, those of a Sunday.
    """

    name: str = Field(min_length=2, max_length=60)
    aliases: tuple[str, ...] = ()
    address: str | None = None
    hours: tuple[Hours, ...] = Field(min_length=1)
    holiday_hours: tuple[Span, ...] | None = None
    handover: tuple[HandoverSlot, ...] = ()
    window_open_in_handover: StrictBool = False
    windows: Annotated[int, Field(ge=0), AS_NUMBER] | None = None
    machines: str | None = None
    nearest: tuple[str, ...] = ()


class Branch(BranchFacts):
    """One outlet of the bank; `code` is the bank's own number and never changes."""

    code: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")
