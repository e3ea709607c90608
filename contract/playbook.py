"""The organisation's own words and numbers, read from `playbook/` and checked before anything starts.

Every number stands in a list of dated values, because rules change: ask for the value of a day, never for "the" value.
"""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, model_validator

from contract.base import Frozen
from contract.branch import Branch
from contract.turn import Asks

CauseCode = Annotated[str, Field(pattern=r"^C(\d{1,2})$")]
DetailCode = Annotated[str, Field(pattern=r"^C\d{1,2}[a-e]$")]
AnyCause = Annotated[str, Field(pattern=r"^C\d{1,2}[a-e]?$")]
ScriptId = Annotated[str, Field(pattern=r"^X\d{2}$")]

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


def _check_no_overlap(values: Sequence[Dated], what: str) -> None:
    ordered = sorted(values, key=lambda value: value.effective_from)
    for earlier, later in pairwise(ordered):
        if earlier.effective_to is None or earlier.effective_to > later.effective_from:
            raise ValueError(
                f"{what} 的有效期不能重叠：{earlier.effective_from} 的一条应在 {later.effective_from} 前结束"
            )


class CauseDetail(Frozen):
    """A second-level cause; `asks` replaces the first level's where that does not fit (a call has no branch)."""

    code: DetailCode
    name: str
    asks: tuple[Asks, ...] | None = None


class Cause(Frozen):
    """A first-level cause: its name, what the ticket needs to know, and its place in JR/T 0169-2018 face C."""

    code: CauseCode
    name: str
    asks: tuple[Asks, ...] = ()
    standard_reason: str
    details: tuple[CauseDetail, ...] = ()

    @model_validator(mode="after")
    def _details_belong(self) -> Self:
        for detail in self.details:
            if detail.code[:-1] != self.code:
                raise ValueError(f"细项 {detail.code} 不属于 {self.code}")
        return self


class Taxonomy(Frozen):
    """`taxonomy.yml`: all causes; `standard` names the standard that `standard_reason` refers to."""

    standard: str
    standard_note: str
    effective_from: date
    effective_to: date | None = None
    source: str
    causes: tuple[Cause, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        expected = {f"C{number}" for number in range(1, 13)} | {"C99"}
        found = {cause.code for cause in self.causes}
        if found != expected:
            raise ValueError(f"应有十三个一级原因，缺少或多出：{'、'.join(sorted(expected ^ found))}")
        return self

    def cause(self, code: str) -> Cause | None:
        """The first-level cause of a first- or second-level code."""
        first = code.rstrip("abcde")
        return next((cause for cause in self.causes if cause.code == first), None)

    def asks(self, code: str) -> tuple[Asks, ...]:
        """What a complaint of this cause must tell, in the order of asking."""
        cause = self.cause(code)
        if cause is None:
            return ()
        detail = next((detail for detail in cause.details if detail.code == code), None)
        return cause.asks if detail is None or detail.asks is None else detail.asks

    def name(self, code: str) -> str:
        """The Chinese name of any code; the code itself when it is unknown."""
        cause = self.cause(code)
        if cause is None:
            return code
        return next((detail.name for detail in cause.details if detail.code == code), cause.name)


class Route(Dated):
    """Who handles a cause (or every ticket from `level_min` on) and who gets a copy; `restricted` hides it from others."""

    causes: tuple[AnyCause, ...] = ()
    level_min: int | None = Field(default=None, ge=0, le=4)
    handler: str
    copied: tuple[str, ...] = ()
    restricted: bool = False
    source: str


class Routing(Frozen):
    """`routing.yml`. A route by level wins over one by detail, that over one by first-level cause, then `fallback`."""

    routes: tuple[Route, ...] = Field(min_length=1)
    fallback: str

    def route(self, *, cause: str | None, detail: str | None, level: int, day: date) -> Route | None:
        valid = [route for route in self.routes if route.holds_on(day)]
        by_level = [route for route in valid if route.level_min is not None and level >= route.level_min]
        if by_level:
            return max(by_level, key=lambda route: route.level_min or 0)
        for code in (detail, cause):
            for route in valid:
                if code is not None and code in route.causes:
                    return route
        return None


class DatedNumber(Sourced):
    """A number with its unit and its life."""

    value: int = Field(ge=0)


class Clock(Frozen):
    """One deadline. `natural_day` (日) and `working_day` (工作日) are different units; the stricter clock wins."""

    kind: Literal["first_contact", "decision"]
    level_min: int = Field(default=0, ge=0, le=4)
    complexity: Literal["simple", "complex", "extension", "max"] = "simple"
    unit: Literal["minute", "hour", "working_day", "natural_day"]
    values: tuple[DatedNumber, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_overlap(self) -> Self:
        _check_no_overlap(self.values, self.kind)
        return self


class Threshold(Frozen):
    """A named number that is not a deadline (warning percentages, alarm sizes, years of retention)."""

    name: str
    unit: str
    values: tuple[DatedNumber, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_overlap(self) -> Self:
        _check_no_overlap(self.values, self.name)
        return self


class Sla(Frozen):
    """`sla.yml`."""

    clocks: tuple[Clock, ...] = Field(min_length=1)
    thresholds: tuple[Threshold, ...] = ()

    def clock(
        self, kind: str, *, level: int, day: date, complexity: str = "simple"
    ) -> tuple[Clock, DatedNumber] | None:
        """The clock for a level on a day: of those that apply, the one made for the highest level."""
        fitting = [
            (clock, value)
            for clock in self.clocks
            if clock.kind == kind and clock.complexity == complexity and clock.level_min <= level
            if (value := in_force(clock.values, day)) is not None
        ]
        return max(fitting, key=lambda pair: pair[0].level_min, default=None)

    def threshold(self, name: str, day: date) -> int | None:
        for threshold in self.thresholds:
            if threshold.name == name:
                value = in_force(threshold.values, day)
                return value.value if value else None
        return None


class ForbiddenPhrases(Frozen):
    """A class of phrases that neither bot nor staff ever say; each is a plain part of a sentence, not a pattern."""

    reason: str
    source: str
    effective_from: date
    effective_to: date | None = None
    phrases: tuple[str, ...] = Field(min_length=1)


class Phrases(Frozen):
    """`phrases.yml`."""

    forbidden: tuple[ForbiddenPhrases, ...] = Field(min_length=1)

    def violations(self, text: str) -> tuple[str, ...]:
        """The forbidden phrases that `text` contains."""
        return tuple(phrase for group in self.forbidden for phrase in group.phrases if phrase in text)


Condition = Literal[
    "branch_known",
    "event_time_known",
    "in_handover",
    "outside_handover",
    "published_open",
    "published_closed",
    "window_open",
    "window_closed",
    "machines_known",
    "nearest_known",
    "amount_known",
    "fraud_now",
]

# What a text may name; `actions/explain.py` fills them, and a variant whose slot is empty is passed over.
PLACEHOLDERS = frozenset(
    {
        "bank",
        "branch_name",
        "hours",
        "handover",
        "machines",
        "nearest",
        "windows",
        "heard",
        "amount",
        "product",
        "cause_name",
    }
)


class Variant(Frozen):
    """One wording. It is used when all of `when` hold, the cause is among `causes` (empty: any) and the level fits.

    `parts` are sent as separate bubbles of at most 80 characters (one idea each). `fault` means: the explanation is not good
    enough, the ticket records a fault of ours. `asks_nothing` is implied: questions never stand here.
    """

    causes: tuple[AnyCause, ...] = ()
    level_min: int = Field(default=0, ge=0, le=4)
    level_max: int = Field(default=4, ge=0, le=4)
    when: tuple[Condition, ...] = ()
    fault: bool = False
    parts: tuple[Annotated[str, Field(min_length=4, max_length=80)], ...] = Field(min_length=1)


class ScriptVersion(Dated):
    """One version of a script; `basis` lists the facts it rests on, with source and reliability."""

    version: int = Field(ge=1)
    basis: tuple[Sourced, ...] = Field(min_length=1)
    variants: tuple[Variant, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _only_sure_facts(self) -> Self:
        for fact in self.basis:
            if fact.reliability in ("W", "R"):
                raise ValueError(f"话术不能以 {fact.reliability} 级来源为依据：{fact.source}")
        return self


class Script(Frozen):
    """`explanations/Xnn.yml`. `causes`: for which causes it is offered; `needs`: what must be known before it is said."""

    id: ScriptId
    topic: str
    causes: tuple[AnyCause, ...] = ()
    needs: tuple[Asks, ...] = ()
    must_state: str
    versions: tuple[ScriptVersion, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_overlap(self) -> Self:
        _check_no_overlap(self.versions, self.id)
        return self


class Organisation(Frozen):
    """`organisation.yml`: who we are, and when people answer."""

    name: str
    short_name: str
    hotline: str
    human_hours: tuple[str, ...] = ()


class Playbook(Frozen):
    """The whole `playbook/` directory."""

    organisation: Organisation
    taxonomy: Taxonomy
    routing: Routing
    sla: Sla
    phrases: Phrases
    scripts: tuple[Script, ...]
    branches: tuple[Branch, ...] = Field(min_length=1)

    def script(self, script_id: str) -> Script | None:
        return next((script for script in self.scripts if script.id == script_id), None)
