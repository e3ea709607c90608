"""Which explanation applies, and its words with the branch's own facts. Pure; the texts are the playbook's."""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from contract.playbook import Condition, Playbook, Script, ScriptVersion, Variant, in_force

# Above this level an explanation reads as an excuse (domain.md 6.3).
MAX_LEVEL = 2


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is known when a text is chosen: `cause` is the finest code known, `slots` fill the text's placeholders."""

    cause: str | None
    level: int
    day: date
    conditions: frozenset[Condition]
    slots: Mapping[str, str]


@dataclass(frozen=True)
class Explanation:
    """The bubbles to send. `fault`: the facts speak against us, and the ticket says so."""

    script_id: str
    version: int
    parts: tuple[str, ...]
    fault: bool

    @property
    def label(self) -> str:
        """How the ticket names it in `script_ids_used`."""
        return f"{self.script_id}@{self.version}"


def applicable_script(playbook: Playbook, cause: str | None, used: frozenset[str]) -> Script | None:
    """The script offered for a cause and not used yet; one for the detail wins over one for the first level."""
    if cause is None:
        return None
    fresh = [script for script in playbook.scripts if script.causes and script.id not in used]
    for code in (cause, cause.rstrip("abcde")):
        found = next((script for script in fresh if code in script.causes), None)
        if found is not None:
            return found
    return None


def render(script: Script, situation: Situation) -> Explanation | None:
    """The first variant that fits and whose placeholders are known; None when no version holds on that day."""
    version: ScriptVersion | None = in_force(script.versions, situation.day)
    if version is None:
        return None
    for variant in version.variants:
        if _fits(variant, situation):
            parts = tuple(part.format_map(dict(situation.slots)) for part in variant.parts)
            return Explanation(script.id, version.version, parts, variant.fault)
    return None


def _fits(variant: Variant, situation: Situation) -> bool:
    if not variant.level_min <= situation.level <= variant.level_max:
        return False
    codes = {situation.cause, (situation.cause or "").rstrip("abcde")}
    if variant.causes and not codes & set(variant.causes):
        return False
    return set(variant.when) <= situation.conditions and _placeholders(variant) <= situation.slots.keys()


def _placeholders(variant: Variant) -> set[str]:
    return {name for part in variant.parts for _, name, _, _ in string.Formatter().parse(part) if name}
