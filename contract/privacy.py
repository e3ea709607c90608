"""How long personal data is kept, and what customers agree to: `retention.yml` and `consent.yml`."""

from datetime import date, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from contract.base import Frozen
from contract.dated import Sourced, check_no_overlap, in_force

Kept = Literal["ticket", "conversation", "outbox", "idempotency"]


class Period(Sourced):
    """A length of time with its life. Years end on the same day of the year, the 29th of February on the 28th."""

    value: int = Field(ge=1, le=100_000)
    unit: Literal["day", "year"]

    def after(self, start: datetime) -> datetime:
        if self.unit == "day":
            return start + timedelta(days=self.value)
        year = start.year + self.value
        try:
            return start.replace(year=year)
        except ValueError:
            return start.replace(year=year, day=28)


class RetentionRule(Frozen):
    """What is kept how long, and from when on."""

    kind: Kept
    starts: str = Field(min_length=2)
    values: tuple[Period, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_overlap(self) -> Self:
        check_no_overlap(self.values, self.kind)
        return self


class Retention(Frozen):
    """`retention.yml`: one rule for each kind."""

    rules: tuple[RetentionRule, ...]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        kinds = [rule.kind for rule in self.rules]
        wanted = {"ticket", "conversation", "outbox", "idempotency"}
        if set(kinds) != wanted or len(kinds) != len(wanted):
            raise ValueError(f"应各有一条：{'、'.join(sorted(wanted))}")
        return self

    def period(self, kind: Kept, day: date) -> Period | None:
        """The rule in force on a day; None keeps for ever, which is said where it matters."""
        return next((in_force(rule.values, day) for rule in self.rules if rule.kind == kind), None)


class Notice(Sourced):
    """One version of what customers are told before they agree (个人信息保护法第十七、三十条)."""

    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.\-]{1,32}$")]
    purposes: tuple[str, ...] = Field(min_length=1)
    text: str = Field(min_length=20, max_length=4000)


class Consent(Frozen):
    """`consent.yml`: all versions of the notice; a version's text never changes once customers have agreed to it."""

    versions: tuple[Notice, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_at_a_time(self) -> Self:
        names = [one.version for one in self.versions]
        if len(set(names)) != len(names):
            raise ValueError("版本号（version）不能重复")
        check_no_overlap(self.versions, "consent.yml")
        return self

    def on(self, day: date) -> Notice:
        """The version in force; before the first and after the last, the nearest one that was."""
        before = [one for one in self.versions if one.effective_from <= day] or list(self.versions)
        return in_force(self.versions, day) or max(before, key=lambda one: one.effective_from)
