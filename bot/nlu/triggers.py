"""Words that raise the level, and whose they are: the customer's own and present threat, or denied, quoted, asked about."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Dict, FrozenSet, List, Optional, Pattern, Tuple

from bot.nlu.files import LEXICON, read_yaml

OWN = "own"
# Threats are somebody's; anger and demands are in the message whoever they quote.
_SCOPED = frozenset({"regulator", "petition", "media", "law", "self_harm", "violence", "crowd", "fraud_now"})
_SENTENCE_END = re.compile(r"[。！？!?；;\n]")
_REACH = 26


@dataclass(frozen=True)
class Kind:
    """A kind of trigger: what an own one means at least, and the tag that the ticket gets."""

    name: str
    level: Optional[int]
    tag: Optional[str]
    pattern: Pattern[str]


@dataclass(frozen=True)
class Trigger:
    """A trigger in the normalised text. `scope` is `own`, or why it does not count."""

    kind: Kind
    start: int
    end: int
    text: str
    scope: str

    @property
    def is_own(self) -> bool:
        return self.scope == OWN


@dataclass(frozen=True)
class _Scope:
    name: str
    kinds: FrozenSet[str]
    reach: int
    before: Tuple[Pattern[str], ...]
    after: Tuple[Pattern[str], ...]
    unless: Tuple[Pattern[str], ...]

    def holds(self, before: str, after: str) -> bool:
        near = before[-self.reach :]
        said = any(it.search(near) for it in self.before) or any(it.search(after) for it in self.after)
        return said and not any(it.search(before) for it in self.unless)


def _patterns(lines: Any) -> Tuple[Pattern[str], ...]:
    return tuple(re.compile(line) for line in lines or ())


@lru_cache(maxsize=1)
def kinds() -> Tuple[Kind, ...]:
    """All kinds of the lexicon."""
    table: Dict[str, Any] = read_yaml(LEXICON / "triggers.yml")
    return tuple(
        Kind(name, entry["level"], entry["tag"], re.compile("|".join(f"(?:{words})" for words in entry["words"])))
        for name, entry in table.items()
    )


@lru_cache(maxsize=1)
def _scopes() -> Tuple[_Scope, ...]:
    return tuple(
        _Scope(
            name,
            frozenset(entry.get("kinds") or _SCOPED),
            entry.get("reach", _REACH),
            _patterns(entry.get("before")),
            _patterns(entry.get("after")),
            _patterns(entry.get("unless")),
        )
        for name, entry in read_yaml(LEXICON / "scope.yml").items()
    )


def find_triggers(text: str) -> List[Trigger]:
    """All triggers of the normalised text, in order."""
    return sorted(_found(text), key=lambda trigger: (trigger.start, trigger.end))


def _found(text: str) -> Iterator[Trigger]:
    for kind in kinds():
        for match in kind.pattern.finditer(text):
            start, end = match.span()
            scope = _scope_of(text, kind.name, start, end) if kind.name in _SCOPED else OWN
            yield Trigger(kind, start, end, match.group(), scope)


def _scope_of(text: str, kind: str, start: int, end: int) -> str:
    before = _SENTENCE_END.split(text[max(0, start - 2 * _REACH) : start])[-1]
    after = _SENTENCE_END.split(text[end : end + _REACH] + " ")[0].rstrip()
    if text[end + len(after) : end + len(after) + 1] in ("？", "?"):
        after += "？"
    return next((it.name for it in _scopes() if kind in it.kinds and it.holds(before, after)), OWN)
