"""Who handles what: `routing.yml`.

Of the routes that hold on the day and all of whose conditions a matter meets, the most specific wins. In this order:

1. a sealed nature (举报), whatever else is told;
2. the highest `level_min`;
3. a sealed cause (C8), be it the second one told: misconduct stays sealed whatever it is called;
4. a nature; 5. a detail (C2b) before its cause (C2); 6. a branch; 7. an industry.

After all of these come the routes of the second cause, in the same order: it moves nothing while somebody handles the first.

A handler that is recused (回避) is passed over to the next in this order, at last to `fallback`, and where that is recused
itself to `deputy`.
"""

from collections.abc import Iterator, Sequence, Set
from datetime import date
from functools import cached_property
from itertools import combinations, product
from string import ascii_lowercase
from typing import Literal, Self

from pydantic import Field, model_validator

from contract.base import Frozen
from contract.dated import AnyCause, Dated, in_force
from contract.sla import DatedNumber, Industry
from contract.ticket import Nature

_LEVELS = range(5)
_HIGHEST = 3  # of escalation
# Where a mistake stands in the file, and what is wrong.
Mistake = tuple[tuple[str | int, ...], str]


class Concern(Frozen):
    """What of a ticket decides its way."""

    nature: str = Nature.COMPLAINT
    cause: str | None = None
    detail: str | None = None
    secondary: str | None = None
    level: int = 0
    branch: str | None = None
    industry: Industry = "bank"

    @cached_property
    def codes(self) -> frozenset[str]:
        return frozenset(code for code in (self.detail, self.cause) if code is not None)

    @cached_property
    def all_codes(self) -> frozenset[str]:
        """With the second cause, and the causes of details: nothing about staff is overlooked for what else is told."""
        told = [code for code in (*self.codes, self.secondary) if code is not None]
        return frozenset([*told, *(code.rstrip(ascii_lowercase) for code in told)])


class Route(Dated):
    """Who handles the matters that meet all of its conditions, and who gets a copy.

    `restricted` seals the matter: nobody but the handler and those who see everything knows of it.
    """

    causes: tuple[AnyCause, ...] = ()
    natures: tuple[Nature, ...] = ()
    level_min: int | None = Field(default=None, ge=0, le=4)
    branches: tuple[str, ...] = ()
    industries: tuple[Industry, ...] = ()
    handler: str
    copied: tuple[str, ...] = ()
    restricted: bool = False
    source: str

    @model_validator(mode="after")
    def _has_a_condition(self) -> Self:
        if not (self.causes or self.natures or self.branches or self.industries) and self.level_min is None:
            raise ValueError("没有条件的对口部门请写成 fallback")
        return self

    def fits(self, concern: Concern) -> bool:
        return (
            (not self.causes or not concern.all_codes.isdisjoint(self.causes))
            and (not self.natures or concern.nature in self.natures)
            and (self.level_min is None or concern.level >= self.level_min)
            and (not self.branches or concern.branch in self.branches)
            and (not self.industries or concern.industry in self.industries)
        )

    def rank(self, concern: Concern) -> tuple[int, ...]:
        """The order of the module's docstring, for a matter that it fits; the greater wins."""
        by_code = (concern.secondary, concern.cause, concern.detail)
        return (
            self.restricted or not self.causes or not concern.codes.isdisjoint(self.causes),
            bool(self.natures) and self.restricted,
            -1 if self.level_min is None else self.level_min,
            self.restricted,
            bool(self.natures),
            max((place for place, code in enumerate(by_code, 1) if code in self.causes), default=0),
            bool(self.branches),
            bool(self.industries),
        )


class Recusal(Dated):
    """Units that never handle a matter of these causes alone, because it is about them or their people (回避)."""

    causes: tuple[AnyCause, ...] = Field(min_length=1)
    natures: tuple[Nature, ...] = (Nature.COMPLAINT, Nature.TIP_OFF)
    units: tuple[str, ...] = Field(min_length=1)
    source: str


class Escalation(Dated):
    """Who is told when a ticket runs late: at `level` 2 or 3, for the tickets of `units` (none: of every unit)."""

    level: Literal[2, 3]
    units: tuple[str, ...] = ()
    to: tuple[str, ...] = Field(min_length=1)
    source: str


class Handler(Frozen):
    """Somebody of a unit who gets tickets by turns: of these causes (none: of all), at most `capacity` running at once."""

    person: str = Field(min_length=1, max_length=80)
    unit: str
    skills: tuple[AnyCause, ...] = ()
    capacity: int = Field(ge=1)
    # Each from a day to the day before another; None: until further notice.
    absent: tuple[Dated, ...] = ()


class Routing(Frozen):
    """`routing.yml`."""

    routes: tuple[Route, ...] = Field(min_length=1)
    fallback: str
    deputy: str
    # How often a ticket may be refused before it stays with `fallback`, which may not refuse.
    refusals: tuple[DatedNumber, ...] = Field(min_length=1)
    recusals: tuple[Recusal, ...] = ()
    escalations: tuple[Escalation, ...] = Field(default=(), alias="escalation")
    handlers: tuple[Handler, ...] = ()

    @property
    def units(self) -> frozenset[str]:
        """All that are named to handle something, or to be told of it."""
        routed = (unit for route in self.routes for unit in (route.handler, *route.copied))
        told = (unit for one in self.escalations for unit in (*one.units, *one.to))
        return frozenset([self.fallback, self.deputy, *routed, *told, *(handler.unit for handler in self.handlers)])

    def ranked(self, concern: Concern, day: date) -> list[Route]:
        """All routes that a matter could take, the one that wins first."""
        fitting = [route for route in self.routes if route.holds_on(day) and route.fits(concern)]
        return sorted(fitting, key=lambda route: route.rank(concern), reverse=True)

    def route(self, concern: Concern, day: date, recused: Set[str] = frozenset()) -> Route | None:
        """The route that wins without the units that are recused; None: none does."""
        return next((route for route in self.ranked(concern, day) if route.handler not in recused), None)

    def last_resort(self, recused: Set[str] = frozenset()) -> str:
        """`fallback`, or `deputy` where that is recused, or whoever is told last of late tickets; it may not refuse."""
        highest = (unit for one in self.escalations if one.level == _HIGHEST for unit in one.to)
        return next((unit for unit in (self.fallback, self.deputy, *highest) if unit not in recused), self.deputy)

    def seals(self, concern: Concern, day: date) -> bool:
        """By the matter, whatever its level: a tip about staff stays closed when anger sends it to another unit; or by a rule
        for its level.
        """
        levels = (concern.model_copy(update={"level": 0}), concern)
        return any(route is not None and route.restricted for route in (self.route(one, day) for one in levels))

    def recused_units(self, concern: Concern, day: date) -> tuple[str, ...]:
        found = (
            unit
            for recusal in self.recusals
            if recusal.holds_on(day) and concern.nature in recusal.natures
            if not concern.all_codes.isdisjoint(recusal.causes)
            for unit in recusal.units
        )
        return tuple(dict.fromkeys(found))

    def refusals_allowed(self, day: date) -> int:
        number = in_force(self.refusals, day)
        return number.value if number else 0

    def escalation(self, level: int, unit: str, day: date, recused: Set[str] = frozenset()) -> tuple[str, ...]:
        """The units told at a level (2, 3) of escalation: those named for this unit, else for every one, else `fallback`.

        Where all of them are recused, those of the level above; at last the last resort.
        """
        valid = [one for one in self.escalations if one.level == level and one.holds_on(day)]
        own = next((one for one in valid if unit in one.units), None)
        found = own or next((one for one in valid if not one.units), None)
        to = tuple(one for one in (found.to if found else (self.fallback,)) if one not in recused)
        if to or level >= _HIGHEST:
            return to or (self.last_resort(recused),)
        return self.escalation(level + 1, unit, day, recused)

    def mistakes(self, causes: Set[str], branches: Set[str]) -> Iterator[Mistake]:
        """What cannot be meant; `causes` (both levels) and `branches` (codes) are those that there are."""
        yield from self._unknown(causes, branches)
        yield from self._contradictions()
        yield from self._dead(causes)
        if self.deputy == self.fallback:
            yield ("deputy",), f"{self.deputy} 就是 fallback，它要回避时仍要有别的部门接手"

    def _unknown(self, causes: Set[str], branches: Set[str]) -> Iterator[Mistake]:
        for index, route in enumerate(self.routes):
            if unknown := sorted({*route.causes} - causes):
                yield ("routes", index, "causes"), f"原因 {'、'.join(unknown)} 不在 taxonomy.yml 中"
            if unknown := sorted({*route.branches} - branches):
                yield ("routes", index, "branches"), f"网点 {'、'.join(unknown)} 不在 branches.csv 中"
        for index, recusal in enumerate(self.recusals):
            if unknown := sorted({*recusal.causes} - causes):
                yield ("recusals", index, "causes"), f"原因 {'、'.join(unknown)} 不在 taxonomy.yml 中"
        for index, handler in enumerate(self.handlers):
            if unknown := sorted({*handler.skills} - causes):
                yield ("handlers", index, "skills"), f"原因 {'、'.join(unknown)} 不在 taxonomy.yml 中"

    def _contradictions(self) -> Iterator[Mistake]:
        for (first, one), (second, other) in combinations(enumerate(self.routes), 2):
            if _same_rank(one, other) and _meet(one, other):
                yield (
                    ("routes", second),
                    f"和第 {first + 1} 条路由条件重叠，分不出用哪一条（{one.handler}、{other.handler}）",
                )
        for (first, earlier), (second, later) in combinations(enumerate(self.escalations), 2):
            same = earlier.units == later.units or set(earlier.units) & set(later.units)
            if earlier.level == later.level and same and _overlap(earlier, later):
                yield ("escalation", second), f"和第 {first + 1} 条升级条件重叠，分不出告知谁"
        for (first, someone), (second, another) in combinations(enumerate(self.handlers), 2):
            if (someone.person, someone.unit) == (another.person, another.unit):
                yield ("handlers", second), f"{another.person} 在 {another.unit} 已经列在第 {first + 1} 条"

    def _dead(self, causes: Set[str]) -> Iterator[Mistake]:
        for index, route in enumerate(self.routes):
            if not any(
                self._wins(route, concern, day) for day in self._days(route) for concern in _concerns(route, causes)
            ):
                yield ("routes", index), f"这一条永远用不上：别的路由总是先于它，或有效期是空的（{route.handler}）"

    def _wins(self, route: Route, concern: Concern, day: date) -> bool:
        return self.route(concern, day) is route

    def _days(self, route: Route) -> list[date]:
        """One day of every span in its life in which the same routes hold."""
        starts = {day for one in self.routes for day in (one.effective_from, one.effective_to) if day is not None}
        return sorted(day for day in starts if route.holds_on(day))


def _concerns(route: Route, causes: Set[str]) -> Iterator[Concern]:
    """One of every kind that meets its conditions, as far as conditions can tell them apart."""
    natures: Sequence[str] = route.natures or tuple(Nature)
    codes: Sequence[str | None] = route.causes or (None, *sorted(causes))
    levels = [level for level in _LEVELS if level >= (route.level_min or 0)]
    places = product(route.branches or (None,), route.industries or ("bank",))
    for (branch, industry), nature, code, level in product(places, natures, codes, levels):
        detail = code if code and code[-1].isalpha() else None
        cause = code.rstrip("abcde") if code else None
        yield Concern.model_construct(
            nature=nature, cause=cause, detail=detail, level=level, branch=branch, industry=industry
        )


def _same_rank(one: Route, other: Route) -> bool:
    """Whether nothing but their place in the file tells two routes apart where both fit."""

    def shape(route: Route) -> tuple[object, ...]:
        named = (bool(route.natures), bool(route.causes), bool(route.branches), bool(route.industries))
        return route.level_min, route.restricted, named

    return shape(one) == shape(other)


def _meet(one: Route, other: Route) -> bool:
    """Whether a matter can meet the conditions of both in the same way; a detail and its own cause are told apart."""
    pairs: tuple[tuple[Set[str], Set[str]], ...] = (
        (set(one.causes), set(other.causes)),
        (set(one.natures), set(other.natures)),
        (set(one.branches), set(other.branches)),
        (set(one.industries), set(other.industries)),
    )
    return _overlap(one, other) and all(first & second or not (first or second) for first, second in pairs)


def _overlap(one: Dated, other: Dated) -> bool:
    return (other.effective_to is None or one.effective_from < other.effective_to) and (
        one.effective_to is None or other.effective_from < one.effective_to
    )
