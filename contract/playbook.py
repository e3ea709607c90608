"""The organisation's own words and numbers, read from `playbook/` and checked before anything starts.

Every number stands in a list of dated values, because rules change (contract/dated.py).
"""

from collections.abc import Mapping
from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from contract.base import Frozen
from contract.branch import Branch
from contract.calendar import Calendar
from contract.dated import CauseCode, DetailCode
from contract.evidence import Evidence
from contract.export import Export
from contract.privacy import Consent, Retention
from contract.routing import Routing
from contract.script import Script
from contract.sla import Industry, Sla
from contract.turn import Asks


class CauseDetail(Frozen):
    """A second-level cause; `asks`, `business_channel` and `business_category` replace the first level's where those do not
    fit (a call has no branch).
    """

    code: DetailCode
    name: str
    asks: tuple[Asks, ...] | None = None
    business_channel: str | None = None
    business_category: str | None = None


class Cause(Frozen):
    """A first-level cause: its name, what the ticket needs to know, and its place in JR/T 0169-2018 face C."""

    code: CauseCode
    name: str
    asks: tuple[Asks, ...] = ()
    standard_reason: str
    business_channel: str | None = None
    business_category: str | None = None
    details: tuple[CauseDetail, ...] = ()

    @model_validator(mode="after")
    def _details_belong(self) -> Self:
        for detail in self.details:
            if detail.code[:-1] != self.code:
                raise ValueError(f"细项 {detail.code} 不属于 {self.code}")
        return self


class Business(Frozen):
    """A value of face B (业务类别) of the standard, and the words that mean it."""

    name: str
    words: tuple[str, ...] = ()


class Taxonomy(Frozen):
    """`taxonomy.yml`: all causes; `standard` names the standard that `standard_reason`, `business_channel` (face A) and
    `businesses` (face B) refer to. Of the businesses the first whose words are told holds, the last where none is.
    """

    standard: str
    standard_note: str
    effective_from: date
    effective_to: date | None = None
    source: str
    businesses: tuple[Business, ...] = Field(min_length=1)
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

    def channel(self, code: str | None) -> str | None:
        """Through which channel of the bank the business was done that is complained of (face A); None: not told by the cause."""
        cause, detail = self._both(code)
        return (detail and detail.business_channel) or (cause and cause.business_channel) or None

    def business(self, product: str | None, story: str, code: str | None) -> str:
        """The business (face B): by the cause where that says it, by the product named, else by the story."""
        cause, detail = self._both(code)
        if told := (detail and detail.business_category) or (cause and cause.business_category):
            return told
        for text in (product or "", story):
            for business in self.businesses:
                if any(word in text for word in business.words):
                    return business.name
        return self.businesses[-1].name

    def _both(self, code: str | None) -> tuple[Cause | None, CauseDetail | None]:
        cause = self.cause(code) if code else None
        return cause, next((detail for detail in cause.details if detail.code == code), None) if cause else None

    @property
    def codes(self) -> frozenset[str]:
        """Of both levels."""
        details = (detail.code for cause in self.causes for detail in cause.details)
        return frozenset([*(cause.code for cause in self.causes), *details])

    def name(self, code: str) -> str:
        """The Chinese name of any code; the code itself when it is unknown."""
        cause = self.cause(code)
        if cause is None:
            return code
        return next((detail.name for detail in cause.details if detail.code == code), cause.name)


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


class Organisation(Frozen):
    """`organisation.yml`: who we are, and when people answer."""

    name: str
    short_name: str
    hotline: str
    # Which of the clocks of sla.yml apply.
    industry: Industry = "bank"
    human_hours: tuple[str, ...] = ()
    # How customers are addressed everywhere: 您, or 你 where a bank prefers it.
    address: Literal["您", "你"] = "您"
    # What explanations may state about the whole bank, by placeholder (`home_visit: 可以预约上门办理`).
    facts: Mapping[str, str] = Field(default_factory=dict)


class Playbook(Frozen):
    """The whole `playbook/` directory."""

    organisation: Organisation
    taxonomy: Taxonomy
    routing: Routing
    sla: Sla
    calendar: Calendar
    phrases: Phrases
    evidence: Evidence
    export: Export
    retention: Retention
    consent: Consent
    scripts: tuple[Script, ...]
    branches: tuple[Branch, ...] = Field(min_length=1)

    def script(self, script_id: str) -> Script | None:
        return next((script for script in self.scripts if script.id == script_id), None)
