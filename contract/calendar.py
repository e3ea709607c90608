"""`calendar.yml`: when people work, and the State Council's days of years that the calendar library does not know yet."""

from datetime import date, timedelta
from typing import Self

from pydantic import Field, model_validator

from contract.base import Frozen
from contract.branch import Span
from contract.dated import Sourced, check_no_overlap


class ServiceHours(Sourced):
    """When people work on a working day; a lunch break is two spans."""

    spans: tuple[Span, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for earlier, later in zip(self.spans, self.spans[1:], strict=False):
            if earlier.close > later.open:
                raise ValueError(f"服务时间应从早到晚、不重叠：{later.open:%H:%M} 早于 {earlier.close:%H:%M}")
        return self


class Holiday(Frozen):
    """Days off in one piece, both ends included, weekends inside included."""

    name: str
    first: date
    last: date

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.first > self.last:
            raise ValueError(f"{self.name} 的第一天 {self.first} 晚于最后一天 {self.last}")
        return self

    @property
    def days(self) -> frozenset[date]:
        return frozenset(self.first + timedelta(days=count) for count in range((self.last - self.first).days + 1))


class Year(Frozen):
    """The working days of one year by the State Council's notice; what it does not name goes by Monday to Friday."""

    year: int
    source: str = Field(min_length=2)
    holidays: tuple[Holiday, ...] = Field(min_length=1)
    workdays: tuple[date, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        off = [day for holiday in self.holidays for day in holiday.days]
        strange = [day for day in (*off, *self.workdays) if day.year != self.year]
        if strange:
            raise ValueError(f"{strange[0]} 不在 {self.year} 年；跨年的假期请分开写在两年里")
        if both := sorted(set(off) & set(self.workdays)):
            raise ValueError(f"{both[0]} 既是放假又是调休上班")
        return self


class Calendar(Frozen):
    """The whole file. A year that stands here counts, also where the library has it."""

    service_hours: tuple[ServiceHours, ...] = Field(min_length=1)
    years: tuple[Year, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        check_no_overlap(self.service_hours, "服务时间")
        if all(hours.effective_to is not None for hours in self.service_hours):
            raise ValueError("服务时间的最后一条应一直有效（effective_to: null）")
        numbers = [one.year for one in self.years]
        if len(set(numbers)) < len(numbers):
            raise ValueError("同一年只能写一次")
        return self
