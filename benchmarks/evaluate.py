"""`make evaluate FILE=labelled.jsonl`: how well the trained model understands labelled messages (format: shared labelling guide).

Each line: `{"id", "text", "nature", "cause", "level", "entities": [{"type", "text"}]}`. The file is read here, understood by the
bot's own environment (`bot.understand`), and never enters training.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_LEVELS = range(5)
_OTHER, _COMPLAINT = "other", "complaint"


class EvaluationError(Exception):
    """The file cannot be scored; `str()` is one sentence that says why."""


@dataclass(frozen=True)
class Pair:
    """One message: what it is and what was understood."""

    wanted: dict[str, Any]
    found: dict[str, Any]

    @property
    def found_cause(self) -> str:
        return str(self.found["cause"][0]["code"]) if self.found["cause"] else "none"


def read_labelled(file: Path) -> list[dict[str, Any]]:
    """The labelled messages. Raises EvaluationError naming the line."""
    if not file.is_file():
        raise EvaluationError(f"没有这个文件：{file}")
    items = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            missing = [name for name in ("text", "nature", "cause", "level") if name not in item]
        except (ValueError, TypeError):
            raise EvaluationError(f"{file} 第 {number} 行不是 JSON 对象。") from None
        if missing:
            raise EvaluationError(f"{file} 第 {number} 行缺少 {'、'.join(missing)}。")
        items.append(item)
    if not items:
        raise EvaluationError(f"{file} 里没有一条消息。")
    return items


def understood(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the newest model understands, in the same order."""
    lines = "".join(
        json.dumps({"id": str(at), "text": it["text"]}, ensure_ascii=False) + "\n" for at, it in enumerate(items)
    )
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'bot' / 'stand_ins'}:{ROOT}",
        "OMP_NUM_THREADS": "1",
    }
    command = [str(ROOT / "bot" / ".venv" / "bin" / "python"), "-m", "bot.understand"]
    done = subprocess.run(
        command, input=lines, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, env=environment, check=False
    )
    if done.returncode != 0:
        raise EvaluationError(
            f"模型没有完成理解：{done.stderr.strip().splitlines()[-1] if done.stderr.strip() else '没有说明'}"
        )
    return [json.loads(line) for line in done.stdout.splitlines()]


def f1(true_positive: int, false_positive: int, false_negative: int) -> float:
    """Harmonic mean of precision and recall; 0 when nothing was right."""
    total = 2 * true_positive + false_positive + false_negative
    return 2 * true_positive / total if total else 0.0


def macro_f1(wanted: Sequence[str], found: Sequence[str], classes: Iterable[str]) -> float:
    """The mean of the classes' F1; every class counts the same."""
    scores = [class_f1(wanted, found, one) for one in classes]
    return sum(scores) / len(scores)


def class_f1(wanted: Sequence[str], found: Sequence[str], one: str) -> float:
    hits = sum(w == f == one for w, f in zip(wanted, found, strict=True))
    return f1(hits, found.count(one) - hits, wanted.count(one) - hits)


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


def report(pairs: Sequence[Pair]) -> str:
    """The tables, in Markdown."""
    return "\n\n".join([_headline(pairs), _causes(pairs), _levels(pairs), _entities(pairs)])


def _headline(pairs: Sequence[Pair]) -> str:
    complaints = [pair for pair in pairs if pair.wanted["nature"] == _COMPLAINT]
    others = [pair for pair in pairs if pair.wanted["nature"] == _OTHER]
    causes = sorted({str(pair.wanted["cause"]) for pair in complaints})
    wanted, found = [str(it.wanted["cause"]) for it in complaints], [it.found_cause for it in complaints]
    missed = sum(it.found["nature"] != _COMPLAINT for it in complaints)
    rows = [
        ("消息数（投诉 / 非投诉）", f"{len(complaints)} / {len(others)}"),
        ("投诉原因 macro-F1（仅投诉）", f"{macro_f1(wanted, found, causes):.3f}" if complaints else "–"),
        ("投诉原因准确率（仅投诉）", _share(sum(w == f for w, f in zip(wanted, found, strict=True)), len(complaints))),
        ("真实原因在前三名", _share(sum(_among_first(it) for it in complaints), len(complaints))),
        ("漏掉的投诉", _share(missed, len(complaints))),
        ("误判为投诉", _share(sum(it.found["nature"] == _COMPLAINT for it in others), len(others))),
        ("等级准确率", _share(sum(it.found["level"] == it.wanted["level"] for it in pairs), len(pairs))),
        ("等级相差不超过 1", _share(sum(abs(it.found["level"] - it.wanted["level"]) <= 1 for it in pairs), len(pairs))),
        *((f"{level} 级召回（判为 {level} 级及以上）", _recall(pairs, level)) for level in (3, 4)),
        *((f"{level} 级精确（判为 {level} 级及以上者）", _precision(pairs, level)) for level in (3, 4)),
        ("等级 macro-F1", f"{macro_f1(*_level_names(pairs), _levels_present(pairs)):.3f}"),
    ]
    return _table(("指标", "值"), rows)


def _among_first(pair: Pair) -> bool:
    return str(pair.wanted["cause"]) in [guess["code"] for guess in pair.found["cause"][:3]]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}（{part}/{whole}）" if whole else "–"


def _recall(pairs: Sequence[Pair], level: int) -> str:
    real = [pair for pair in pairs if pair.wanted["level"] == level]
    return _share(sum(pair.found["level"] >= level for pair in real), len(real))


def _precision(pairs: Sequence[Pair], level: int) -> str:
    claimed = [pair for pair in pairs if pair.found["level"] >= level]
    return _share(sum(pair.wanted["level"] >= level for pair in claimed), len(claimed))


def _level_names(pairs: Sequence[Pair]) -> tuple[list[str], list[str]]:
    return [str(it.wanted["level"]) for it in pairs], [str(it.found["level"]) for it in pairs]


def _levels_present(pairs: Sequence[Pair]) -> list[str]:
    return sorted({str(it.wanted["level"]) for it in pairs})


def _causes(pairs: Sequence[Pair]) -> str:
    wanted, found = [str(it.wanted["cause"]) for it in pairs], [it.found_cause for it in pairs]
    codes = sorted(
        set(wanted) | set(found), key=lambda code: (not code[1:].isdigit(), int(code[1:]) if code[1:].isdigit() else 0)
    )
    rows = [
        (
            code,
            str(wanted.count(code)),
            str(found.count(code)),
            f"{class_f1(wanted, found, code):.2f}",
            _confusions(pairs, code),
        )
        for code in codes
    ]
    return _table(("原因", "真实", "判为", "F1", "常被误判为"), rows)


def _confusions(pairs: Sequence[Pair], code: str) -> str:
    wrong = Counter(it.found_cause for it in pairs if str(it.wanted["cause"]) == code and it.found_cause != code)
    return "、".join(f"{other}×{number}" for other, number in wrong.most_common(3))


def _levels(pairs: Sequence[Pair]) -> str:
    counts = Counter((pair.wanted["level"], pair.found["level"]) for pair in pairs)
    rows = [(f"{real} 级", *(str(counts[real, found] or "") for found in _LEVELS)) for real in _LEVELS]
    return _table(("真实＼判为", *(f"{level} 级" for level in _LEVELS)), rows)


def _entities(pairs: Sequence[Pair]) -> str:
    counts = entity_counts(pairs)
    right, wrong, missed = counts["right"], counts["wrong"], counts["missed"]
    rows: list[tuple[str, ...]] = [
        (
            kind,
            str(right[kind]),
            str(wrong[kind]),
            str(missed[kind]),
            f"{f1(right[kind], wrong[kind], missed[kind]):.2f}",
        )
        for kind in sorted({*right, *wrong, *missed})
    ]
    totals = (right.total(), wrong.total(), missed.total())
    rows.append(("合计（micro）", *(str(it) for it in totals), f"{f1(*totals):.2f}"))
    return _table(("实体", "对", "错", "漏", "F1"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def main() -> int:
    """Prints the tables; returns 1 with one sentence when the file cannot be scored."""
    if len(sys.argv) != 2:
        print("用法：make evaluate FILE=标注文件.jsonl", file=sys.stderr)
        return 2
    try:
        items = read_labelled(Path(sys.argv[1]))
        found = understood(items)
    except EvaluationError as error:
        print(error, file=sys.stderr)
        return 1
    print(report([Pair(wanted, got) for wanted, got in zip(items, found, strict=True)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
