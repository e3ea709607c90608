"""`sla.yml`: deadlines, warnings, escalation and the numbers that customers may be told; each dated and with its source."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contract.base import Frozen
from contract.dated import Sourced, check_no_overlap, in_force

Industry = Literal["bank", "telecom", "hospital"]
# Where a matter came from (domain.md 6.2); what an authority passed on is owed to that authority, too.
Source = Literal["自有", "12378", "12363", "信访", "媒体", "意见簿", "监督员", "举报信"]
Unit = Literal["minute", "hour", "working_hour", "working_day", "natural_day"]
Kind = Literal["first_contact", "decision", "review", "service", "transfer_receipt", "transfer_reply", "repair"]
Complexity = Literal["simple", "complex"]
Stage = Literal["warn50", "warn80", "overdue", "level2", "level3"]
Waiting = Literal["waiting_customer", "waiting_third_party"]

# Clocks whose dates customers are told: a number that nobody has checked (W, R) never decides them.
_TOLD: tuple[Kind, ...] = ("first_contact", "decision", "review")


class DatedNumber(Sourced):
    """A number with its unit and its life."""

    value: int = Field(ge=0)

    @property
    def is_sure(self) -> bool:
        return self.reliability in ("V", "P")


class Term(Frozen):
    """How long something may take, and for which matters; of those that apply the strictest counts.

    `natural_day` (日) and `working_day` (工作日) are different units; a `working_hour` is an hour of service (calendar.yml).
    `complexity` null holds for all matters; `extension` and `max` say what an approval may add, and where it ends.
    """

    kind: Kind
    industry: Industry = "bank"
    level_min: int = Field(default=0, ge=0, le=4)
    sources: tuple[Source, ...] = ()
    causes: tuple[str, ...] = ()
    complexity: Literal["simple", "complex", "extension", "max"] | None = None
    # For the reader only: where it is not known, the strictest counts.
    area: Literal["城镇", "农村"] | None = None
    unit: Unit
    values: tuple[DatedNumber, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_overlap(self) -> Self:
        check_no_overlap(self.values, self.kind)
        return self


class Matter(Frozen):
    """What decides which terms apply to a ticket, beside its level."""

    industry: Industry = "bank"
    source: str | None = None
    causes: tuple[str, ...] = ()


class EscalationDelay(Frozen):
    """How long after a clock ran out the next level hears of it."""

    kind: Kind
    stage: Literal["level2", "level3"]
    level_min: int = Field(default=0, ge=0, le=4)
    unit: Unit
    values: tuple[DatedNumber, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_overlap(self) -> Self:
        check_no_overlap(self.values, f"{self.kind} 的 {self.stage}")
        return self


class Threshold(Frozen):
    """A named number that is not a deadline (warning percentages, alarm sizes)."""

    name: str
    unit: str
    values: tuple[DatedNumber, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_overlap(self) -> Self:
        check_no_overlap(self.values, self.name)
        return self


class DatedText(Sourced):
    """A statement with its life."""

    text: str = Field(min_length=1, max_length=20)


class Figure(Frozen):
    """A number that customers may be told, by name: texts say `{name}` and never the number itself.

    `text` is what the customer reads, unit included ("5万元", "15日").
    """

    name: Annotated[str, Field(pattern=r"^[a-z_]+$")]
    values: tuple[DatedText, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_overlap(self) -> Self:
        check_no_overlap(self.values, self.name)
        return self


class Sla(Frozen):
    """The whole file. `service_pauses` are the states in which the service clock stands still; the law's never does."""

    clocks: tuple[Term, ...] = Field(min_length=1)
    escalations: tuple[EscalationDelay, ...] = ()
    service_pauses: tuple[Waiting, ...] = ("waiting_customer",)
    thresholds: tuple[Threshold, ...] = ()
    figures: tuple[Figure, ...] = ()

    @model_validator(mode="after")
    def _every_promise_has_a_number(self) -> Self:
        for industry in sorted({term.industry for term in self.clocks}):
            for kind in _TOLD:
                if not any(self._open_ended(term, industry, kind) for term in self.clocks):
                    raise ValueError(
                        f"{industry} 缺少对所有情形都有效的 {kind} 时限（V 或 P 级、effective_to 为 null）"
                    )
        return self

    @staticmethod
    def _open_ended(term: Term, industry: str, kind: str) -> bool:
        for_all = term.level_min == 0 and not term.sources and not term.causes and term.complexity in (None, "simple")
        lasting = any(value.effective_to is None and value.is_sure for value in term.values)
        return (term.kind, term.industry) == (kind, industry) and for_all and lasting

    def figures_on(self, day: date) -> Mapping[str, str]:
        """What customers may be told on a day, by name; what is not sure (W, R) is left out."""
        held = {figure.name: in_force(figure.values, day) for figure in self.figures}
        return {name: value.text for name, value in held.items() if value and value.reliability in ("V", "P")}

    def terms(
        self, kind: Kind, matter: Matter, *, level: int, day: date, complexity: str = "simple"
    ) -> Iterator[tuple[Term, DatedNumber]]:
        """All terms that apply to a matter on a day; the caller takes the one that ends first."""
        for term in self.clocks:
            if (term.kind, term.industry) != (kind, matter.industry) or term.level_min > level:
                continue
            fits = term.complexity in (None, complexity) and (not term.sources or matter.source in term.sources)
            if not fits or (term.causes and not set(term.causes) & set(matter.causes)):
                continue
            value = in_force(term.values, day)
            if value is not None and (value.is_sure or kind not in _TOLD):
                yield term, value

    def limit(self, kind: Kind, what: Literal["extension", "max"], matter: Matter, day: date) -> int | None:
        """Natural days that one extension may add, or that all may take; None: the file sets no limit."""
        found = [
            value.value
            for term, value in self.terms(kind, matter, level=4, day=day, complexity=what)
            if term.complexity == what
        ]
        return min(found, default=None)

    def escalation(
        self, kind: Kind, stage: str, *, level: int, day: date
    ) -> tuple[EscalationDelay, DatedNumber] | None:
        """Of those that apply to a level, the one made for the highest."""
        fitting = [
            (one, value)
            for one in self.escalations
            if one.kind == kind and one.stage == stage and one.level_min <= level
            if (value := in_force(one.values, day)) is not None
        ]
        return max(fitting, key=lambda pair: pair[0].level_min, default=None)

    def threshold(self, name: str, day: date) -> int | None:
        for threshold in self.thresholds:
            if threshold.name == name:
                value = in_force(threshold.values, day)
                return value.value if value else None
        return None
