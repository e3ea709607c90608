"""Which branch is meant: names and aliases of the directory, other spellings of the same sounds, small slips. Pure.

The bridge owns the directory and tells a new version with every turn (bot/channels/branches.py); `directory` holds the
newest one that this process has seen.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Dict, List, Optional, Tuple

from pypinyin import lazy_pinyin
from rapidfuzz import fuzz, process

# Tails that name the kind of outlet; two branches of one name differ by more than them.
_KIND = re.compile(
    r"(?:支行|分行|网点|营业厅|营业部|营业室|营业所|分理处|储蓄所|储蓄点|银行|那家|那个|的|这家|所|点|行)+$"
)
_MIN_CORE = 2
_STREET = re.compile(r"(?:^|[省市区县镇])([^\W\d省市区县镇]{1,6}?(?:大街|大道|路|街|巷))")
# Below this the likeness of two sounds is chance (rapidfuzz ratio, 0..100).
_ALIKE = 88.0


@dataclass(frozen=True)
class Known:
    """A branch of the directory; `alike` when the words only sound like it."""

    code: str
    name: str
    alike: bool = False


class BranchDirectory:
    """Names and aliases of all branches, by spelling and by sound."""

    def __init__(self, branches: Iterable[Mapping[str, Any]]) -> None:
        self._by_name: Dict[str, Known] = {}
        streets: List[Tuple[str, Known]] = []
        for branch in branches:
            known = Known(str(branch["code"]), str(branch["name"]))
            streets += [(street, known) for street in _STREET.findall(str(branch.get("address") or ""))]
            for name in (known.name, *(branch.get("aliases") or ())):
                self._by_name[str(name).lower()] = known
        self._by_core = _unique((_core(name), known) for name, known in self._by_name.items())
        # "东大街那家": the street, where only one branch stands in it and none is called so.
        self._by_core = {**_unique(streets), **self._by_core}
        self._by_sound = _unique((_sound(core), known) for core, known in self._by_core.items())
        self._sounds: Tuple[str, ...] = tuple(self._by_sound)
        # A bare "人民医院" may be the hospital; somebody who went there ("到解放路，窗口说") went to the bank.
        longest_first = sorted(self._by_name, key=len, reverse=True)
        full = "|".join(re.escape(name) for name in longest_first if _core(name) != name) or r"(?!)"
        bare = "|".join(re.escape(name) for name in longest_first if _core(name) == name) or r"(?!)"
        self._mention = re.compile(
            rf"{full}|(?<=[到去在来])(?:{bare})(?=[，,。！!\s办存取开问转汇]|你们|那边|柜|窗|网|银行|$)"
        )

    def mentions(self, text: str) -> List[Tuple[int, int]]:
        """Where a known name stands in full ("城东支行"), or bare where it can only be the branch."""
        return [match.span() for match in self._mention.finditer(text.lower())]

    def find(self, words: str) -> Optional[Known]:
        """The branch that the words name; None when none or more than one is meant."""
        said = words.strip().lower()
        if said in self._by_name:
            return self._by_name[said]
        core = _core(said)
        if len(core) < _MIN_CORE:
            return None
        if core in self._by_core:
            return self._by_core[core]
        sound = _sound(core)
        if sound in self._by_sound:
            return self._by_sound[sound]
        # "云汀银行城东支行": the bank's name may be a branch's too; the branch stands last.
        inside = max(
            (name for name in self._by_core if name in core), key=lambda it: core.rfind(it) + len(it), default=""
        )
        return self._by_core[inside] if inside else self._alike(sound)

    def _alike(self, sound: str) -> Optional[Known]:
        best = process.extract(sound, self._sounds, scorer=fuzz.ratio, score_cutoff=_ALIKE, limit=2)
        if not best or (len(best) > 1 and best[0][1] == best[1][1]):
            return None
        return replace(self._by_sound[best[0][0]], alike=True)


class Holder:
    """The directory in use; replaced as a whole."""

    def __init__(self) -> None:
        self.version = -1
        self.current = BranchDirectory(())

    def replace(self, branches: Iterable[Mapping[str, Any]], version: int) -> None:
        """Takes over what `GET /internal/branches` says."""
        self.current, self.version = BranchDirectory(branches), version


def _unique(pairs: Iterable[Tuple[str, Known]]) -> Dict[str, Known]:
    """Without the keys that more than one branch would answer to."""
    table: Dict[str, Optional[Known]] = {}
    for key, known in pairs:
        if len(key) >= _MIN_CORE:
            table[key] = known if table.get(key, known) == known else None
    return {key: known for key, known in table.items() if known is not None}


@lru_cache(maxsize=4096)
def _core(name: str) -> str:
    return _KIND.sub("", re.sub(r"\s", "", name))


@lru_cache(maxsize=4096)
def _sound(name: str) -> str:
    """Without tones, and without the differences that accents swallow."""
    sounds = (it.replace("zh", "z").replace("ch", "c").replace("sh", "s") for it in lazy_pinyin(name))
    return " ".join(it[:-1] if it.endswith("ng") else it for it in sounds)


directory = Holder()
