"""Which explanation applies, and its words with the facts of branch, incident and date. Pure; the texts are the playbook's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from contract.dated import in_force
from contract.playbook import Playbook
from contract.script import Condition, Script, Variant

# Above this level an explanation reads as an excuse (domain.md 6.3).
MAX_LEVEL = 2
_NO_EXPLANATION = frozenset({"X00", "X27", "X28", "X32"})
# A WeChat message; stages are put together as long as they fit.
_BUBBLE = 80


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is known when a text is chosen: `cause` is the finest code known, `day` the one it happened on (else today),
    `slots` fill the text's placeholders, `turn` picks one of the three wordings.
    """

    cause: str | None
    level: int
    day: date
    conditions: frozenset[Condition]
    slots: Mapping[str, str]
    turn: int = 0


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A script in its words. `fault`: the facts speak against us, and the ticket says so."""

    script_id: str
    version: int
    stages: Mapping[str, str]
    spoken: str
    fault: bool

    @property
    def label(self) -> str:
        """How the ticket names it in `script_ids_used`."""
        return f"{self.script_id}@{self.version}"

    def bubbles(self, *, short: bool = False, feeling: bool = True) -> tuple[str, ...]:
        """The stages as messages; `short` leaves the fact alone, for heated moments."""
        if short and "fact" in self.stages:
            return (self.stages["fact"],)
        lines = [line for name, line in self.stages.items() if feeling or name != "feeling" or len(self.stages) == 1]
        return tuple(_joined(lines))


def applicable_scripts(playbook: Playbook, cause: str | None, story: str, used: frozenset[str]) -> list[Script]:
    """The scripts for a cause that were not used yet, the fittest first: words that stand in the story, then the detail."""
    if cause is None:
        return []
    first = cause.rstrip("abcde")
    fitting = [
        script
        for script in playbook.scripts
        if script.id not in used
        and (cause in script.causes or first in script.causes)
        and (not script.words or any(word in story for word in script.words))
    ]
    return sorted(fitting, key=lambda script: (-longest_word(script, story), cause not in script.causes, script.id))


def longest_word(script: Script, story: str) -> int:
    """ "代取" says more of the matter than "取"."""
    return max((len(word) for word in script.words if word in story), default=0)


def is_explained_to(labels: Iterable[str]) -> bool:
    """Whether a script was said that explains; comfort, rights and the cases of the law do not."""
    return any(label.partition("@")[0] not in _NO_EXPLANATION for label in labels)


def used_scripts(playbook: Playbook, labels: Iterable[str], day: date) -> frozenset[str]:
    """The scripts that have been said in the version of that day. Once it is known that it happened under another rule, that
    rule is still to be told.
    """
    used = set()
    for label in labels:
        name, _, version = label.partition("@")
        script = playbook.script(name)
        held = in_force(script.versions, day) if script else None
        if held is None or version == str(held.version):
            used.add(name)
    return frozenset(used)


def render(script: Script, situation: Situation) -> Explanation | None:
    """The first variant that fits and whose placeholders are known; None when no version holds on that day."""
    version = in_force(script.versions, situation.day)
    if version is None:
        return None
    since = version.effective_from
    slots = {**situation.slots, "effective_from": f"{since.year}年{since.month}月{since.day}日"}
    for variant in version.variants:
        if _fits(variant, situation, slots):
            wording = variant.wordings[situation.turn % len(variant.wordings)]
            return Explanation(
                script_id=script.id,
                version=version.version,
                stages={name: line.format_map(slots) for name, line in wording.stages.items()},
                spoken=variant.spoken.format_map(slots),
                fault=variant.fault,
            )
    return None


def _fits(variant: Variant, situation: Situation, slots: Mapping[str, str]) -> bool:
    if not variant.level_min <= situation.level <= variant.level_max:
        return False
    codes = {situation.cause, (situation.cause or "").rstrip("abcde")}
    if variant.causes and not codes & set(variant.causes):
        return False
    return set(variant.when) <= situation.conditions and variant.placeholders <= slots.keys()


def _joined(lines: list[str]) -> list[str]:
    bubbles: list[str] = []
    for line in lines:
        if bubbles and len(bubbles[-1]) + len(line) <= _BUBBLE:
            bubbles[-1] += line
        else:
            bubbles.append(line)
    return bubbles
