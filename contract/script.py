"""The shape of `explanations/Xnn.yml`: what is said about a matter, by version, case and wording."""

import string
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contract.base import Frozen
from contract.dated import AnyCause, Dated, Sourced, check_no_overlap
from contract.turn import Asks

ScriptId = Annotated[str, Field(pattern=r"^X\d{2}$")]
Condition = Literal[
    "branch_known",
    "event_time_known",
    "in_handover",
    "outside_handover",
    "published_open",
    "published_closed",
    "closed_all_day",
    "holiday",
    "window_open",
    "window_closed",
    "machines_known",
    "nearest_known",
    "windows_known",
    "amount_known",
    "cash_large",
    "fraud_now",
    "corporate",
    "incident_known",
    "incident_running",
    "incident_over",
]

# What a text may name beside the figures of sla.yml and the facts of organisation.yml; `actions/explain.py` fills them,
# and a variant with an empty one is passed over.
PLACEHOLDERS = frozenset(
    {
        "bank",
        "hotline",
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
        "effective_from",
        "incident_no",
        "incident_title",
        "incident_from",
        "incident_to",
        "incident_services",
        "workaround",
        "ticket_no",
        "state",
        "next_date",
        "day_count",
        "extension_reason",
    }
)

WORDINGS = 3
Line = Annotated[str, Field(min_length=4, max_length=80)]
STAGES = ("feeling", "fact", "now", "next")


class Wording(Frozen):
    """One way to say it, in the order of domain.md 6.7: the feeling, the fact, what can be done now, what happens next.

    Each stage is one idea of at most 80 characters (a WeChat message); a stage may be left out.
    """

    feeling: Line | None = None
    fact: Line | None = None
    now: Line | None = None
    next: Line | None = None

    @property
    def stages(self) -> Mapping[str, str]:
        """The lines by stage, in order, without those left out."""
        return {name: line for name in STAGES if (line := getattr(self, name)) is not None}

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self.stages.values())

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.lines:
            raise ValueError("一种说法至少要有一个阶段（feeling、fact、now、next）")
        return self


class Variant(Frozen):
    """The same content in three wordings, for one case: all of `when` hold, the cause is among `causes` (empty: any), and
    the level fits.

    `spoken` is what a hotline agent says aloud. `fault` means: the explanation is not good enough, the ticket records a
    fault of ours. Questions never stand here.
    """

    causes: tuple[AnyCause, ...] = ()
    level_min: int = Field(default=0, ge=0, le=4)
    level_max: int = Field(default=4, ge=0, le=4)
    when: tuple[Condition, ...] = ()
    fault: bool = False
    wordings: tuple[Wording, ...] = Field(min_length=WORDINGS, max_length=WORDINGS)
    spoken: Annotated[str, Field(min_length=4, max_length=200)]

    @property
    def placeholders(self) -> frozenset[str]:
        """What must be known for this variant to be said."""
        texts = (self.spoken, *(line for wording in self.wordings for line in wording.lines))
        return frozenset(name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name)

    @model_validator(mode="after")
    def _three_ways(self) -> Self:
        said = [line for wording in self.wordings for line in wording.lines]
        if len(set(said)) != len(said):
            raise ValueError("三种说法不能有相同的句子")
        return self


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
    """`explanations/Xnn.yml`. `causes`: for which causes it is offered by itself (empty: only where the dialogue calls for it);
    `words`: the story must contain one of them, and such a script wins over one without; `needs`: what must be known, or refused, before it is said; `owner`: the department that answers for the text.
    """

    id: ScriptId
    topic: str
    owner: str
    causes: tuple[AnyCause, ...] = ()
    words: tuple[str, ...] = ()
    needs: tuple[Asks, ...] = ()
    must_state: str
    versions: tuple[ScriptVersion, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_overlap(self) -> Self:
        check_no_overlap(self.versions, self.id)
        return self
