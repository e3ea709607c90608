"""What the pairs of wanted and found come to: every figure that issue and release notes speak of, with its target. Pure."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML

from benchmarks.labelled import ROOT, Pair

CAUSES = (*(f"C{number}" for number in range(1, 13)), "C99", "none")
LEVELS = range(5)
_BINS = 10
_HIGH = 3
# Values that an organisation may give beside an entity's words, and the types they are asked of.
_VALUED = frozenset({"amount", "time", "phone"})


@dataclass(frozen=True)
class Figure:
    """`value` is None when the file has no message to measure it on. `target` is the least, or the most when `at_most`."""

    name: str
    label: str
    value: float | None
    target: float | None = None
    at_most: bool = False

    @property
    def reached(self) -> bool | None:
        if self.value is None or self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


def figures(pairs: Sequence[Pair]) -> list[Figure]:
    """All figures of one labelled file."""
    complaints, others = [it for it in pairs if it.is_complaint], [it for it in pairs if not it.is_complaint]
    level_macro = macro_f1(*_levels(pairs), [str(level) for level in LEVELS])
    return [
        Figure("cause_macro_f1", "投诉原因 macro-F1（14 类，含非投诉）", macro_f1(*_causes(pairs), CAUSES), 0.88),
        Figure("cause_top3", "真实原因在前三名（投诉）", _share(complaints, _among_first), 0.97),
        Figure("cause_accuracy", "第一名就是真实原因（投诉）", _share(complaints, _cause_is_right)),
        Figure("complaint_f1", "是不是投诉 F1", _complaint_f1(pairs), 0.97),
        Figure(
            "false_complaints",
            "平静的非投诉被当成投诉",
            _share([it for it in others if it.wanted["level"] == 0], lambda it: it.taken_for_complaint),
            0.02,
            at_most=True,
        ),
        Figure("level_within_one", "等级相差不超过 1", _share(pairs, lambda it: _distance(it) <= 1), 0.97),
        Figure("level_macro_f1", "等级 macro-F1", level_macro, 0.75),
        Figure("level3_recall", "3 级及以上召回", _recall(pairs, _HIGH), 0.95),
        Figure("level3_precision", "3 级及以上精确", _precision(pairs, _HIGH), 0.85),
        Figure("level4_recall", "4 级召回", _recall(pairs, 4), 0.98),
        Figure(
            "not_raised",
            "否认或转述的威胁没有升到 3 级",
            _share([it for it in pairs if _has_idle_threat(it)], lambda it: it.found["level"] < _HIGH),
            0.85,
        ),
        Figure("entity_f1", "实体 F1（类型与文字完全一致）", _entity_f1(pairs), 0.90),
        Figure("values_right", "金额、时间、电话的值正确（标了值的）", _values_right(pairs), 0.95),
        Figure("cause_ece", "原因的校准误差 ECE", ece(confidences(pairs)), 0.05, at_most=True),
        Figure("level_ece", "等级的校准误差 ECE", ece(level_confidences(pairs)), 0.05, at_most=True),
    ]


def f1(right: int, wrong: int, missed: int) -> float:
    """Harmonic mean of precision and recall; 0 when nothing was right."""
    total = 2 * right + wrong + missed
    return 2 * right / total if total else 0.0


def class_f1(wanted: Sequence[str], found: Sequence[str], one: str) -> float:
    hits = sum(w == f == one for w, f in zip(wanted, found, strict=True))
    return f1(hits, found.count(one) - hits, wanted.count(one) - hits)


def macro_f1(wanted: Sequence[str], found: Sequence[str], classes: Iterable[str]) -> float | None:
    """The mean of the F1 of the classes that occur; every class counts the same."""
    scores = [class_f1(wanted, found, one) for one in classes if one in wanted]
    return sum(scores) / len(scores) if scores else None


def entity_counts(pairs: Iterable[Pair]) -> dict[str, Counter[str]]:
    """Right, wrong and missed by type; an entity is right when type and text are exactly the labelled ones."""
    counts = {name: Counter[str]() for name in ("right", "wrong", "missed")}
    for pair in pairs:
        wanted = Counter((it["type"], it["text"]) for it in pair.wanted.get("entities") or ())
        found = Counter((it["type"], it["text"]) for it in pair.found["entities"])
        for name, part in (("right", wanted & found), ("wrong", found - wanted), ("missed", wanted - found)):
            for (kind, _), number in part.items():
                counts[name][kind] += number
    return counts


def confidences(pairs: Iterable[Pair]) -> list[tuple[float, bool]]:
    """How sure of the first cause, and whether it was right: for complaints that were taken for one."""
    told = [it for it in pairs if it.is_complaint and it.taken_for_complaint]
    return [(float(it.found["cause"][0]["confidence"]), _cause_is_right(it)) for it in told]


def level_confidences(pairs: Iterable[Pair]) -> list[tuple[float, bool]]:
    """How sure of the level, and whether it was right."""
    return [(float(it.found["level_confidence"]), it.found["level"] == it.wanted["level"]) for it in pairs]


def bins(sure: Sequence[tuple[float, bool]]) -> list[tuple[float, float, int]]:
    """Mean confidence, share right and number of messages in each tenth that has any."""
    found = []
    for place in range(_BINS):
        inside = [it for it in sure if place == min(_BINS - 1, int(it[0] * _BINS))]
        if inside:
            mean = sum(confidence for confidence, _ in inside) / len(inside)
            found.append((mean, sum(right for _, right in inside) / len(inside), len(inside)))
    return found


def ece(sure: Sequence[tuple[float, bool]]) -> float | None:
    """Expected calibration error: by how much confidence and share right differ, over ten equal bins."""
    if not sure:
        return None
    return sum(number * abs(mean - right) for mean, right, number in bins(sure)) / len(sure)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def _causes(pairs: Iterable[Pair]) -> tuple[list[str], list[str]]:
    both = [(it.wanted_cause, it.found_cause) for it in pairs]
    return [wanted for wanted, _ in both], [found for _, found in both]


def _levels(pairs: Iterable[Pair]) -> tuple[list[str], list[str]]:
    both = [(str(it.wanted["level"]), str(it.found["level"])) for it in pairs]
    return [wanted for wanted, _ in both], [found for _, found in both]


def _share(pairs: Sequence[Pair], holds: Callable[[Pair], bool]) -> float | None:
    return sum(map(holds, pairs)) / len(pairs) if pairs else None


def _among_first(pair: Pair) -> bool:
    return pair.wanted_cause in pair.found_causes[:3]


def _cause_is_right(pair: Pair) -> bool:
    return pair.wanted_cause == pair.found_cause


def _distance(pair: Pair) -> int:
    return abs(int(pair.found["level"]) - int(pair.wanted["level"]))


def _complaint_f1(pairs: Iterable[Pair]) -> float:
    counts = Counter((it.is_complaint, it.taken_for_complaint) for it in pairs)
    return f1(counts[True, True], counts[False, True], counts[True, False])


def _recall(pairs: Sequence[Pair], level: int) -> float | None:
    return _share([it for it in pairs if it.wanted["level"] >= level], lambda it: it.found["level"] >= level)


def _precision(pairs: Sequence[Pair], level: int) -> float | None:
    return _share([it for it in pairs if it.found["level"] >= level], lambda it: it.wanted["level"] >= level)


def _entity_f1(pairs: Sequence[Pair]) -> float | None:
    counts = entity_counts(pairs)
    totals = [counts[name].total() for name in ("right", "wrong", "missed")]
    return f1(*totals) if any("entities" in it.wanted for it in pairs) else None


def _values_right(pairs: Iterable[Pair]) -> float | None:
    right = total = 0
    for pair in pairs:
        wanted = {(it["type"], it["text"]): it["value"] for it in pair.wanted.get("entities") or () if "value" in it}
        for it in pair.found["entities"]:
            key = (it["type"], it["text"])
            if it["type"] in _VALUED and key in wanted:
                total += 1
                right += it.get("value") == wanted[key]
    return right / total if total else None


def _has_idle_threat(pair: Pair) -> bool:
    """Words of a threat that the label says is nobody's own, present one."""
    return int(pair.wanted["level"]) < _HIGH and bool(_threats().search(str(pair.wanted["text"])))


@lru_cache(maxsize=1)
def _threats() -> re.Pattern[str]:
    kinds: dict[str, Any] = YAML(typ="safe").load(ROOT / "bot" / "lexicon" / "triggers.yml")
    words = [word for kind in kinds.values() if (kind["level"] or 0) >= _HIGH for word in kind["words"]]
    return re.compile("|".join(f"(?:{word})" for word in words))
