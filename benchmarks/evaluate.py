"""`make evaluate FILE=labelled.jsonl`: how well the trained model understands labelled messages (docs/labelling.md).

Each line: `{"id", "text", "nature", "cause", "level", "entities": [{"type", "text", "value"?}], "now"?}`, where `now` is when the
message was written. Prints the tables and leaves
a page and a plot in `benchmarks/results/`. The file is never trained on.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, figures, percentile
from benchmarks.labelled import ROOT, EvaluationError, Pair, read_labelled, understood
from benchmarks.perturb import PERTURBATIONS
from benchmarks.report import Report, draw_reliability, markdown, page

RESULTS = ROOT / "benchmarks" / "results"
# What must survive another spelling.
_ROBUST = ("cause_macro_f1", "complaint_f1", "level_macro_f1")


def evaluate(items: Sequence[dict[str, Any]]) -> Report:
    """Understands the messages as they stand and once for each perturbation."""
    variants = [
        list(items),
        *([{**it, "text": change(it["text"])} for it in items] for change in PERTURBATIONS.values()),
    ]
    answers, milliseconds = understood([it for variant in variants for it in variant])
    by_variant = [
        [Pair(item, found) for item, found in zip(items, answers[at : at + len(items)], strict=True)]
        for at in range(0, len(answers), len(items))
    ]
    plain = figures(by_variant[0])
    dropped = {name: _dropped(plain, figures(pairs)) for name, pairs in zip(PERTURBATIONS, by_variant[1:], strict=True)}
    timings = {"p50": percentile(milliseconds, 0.5), "p95": percentile(milliseconds, 0.95)}
    return Report(by_variant[0], plain, dropped, timings)


def _dropped(plain: Sequence[Figure], changed: Sequence[Figure]) -> Mapping[str, float]:
    """Points lost, of the figures that another spelling should not touch."""
    after = {it.name: it.value for it in changed}
    return {
        it.label: 100 * (it.value - (after[it.name] or 0.0))
        for it in plain
        if it.name in _ROBUST and it.value is not None
    }


def main() -> int:
    """Prints the tables; returns 1 with one sentence when the file cannot be scored."""
    if len(sys.argv) != 2:
        print("用法：make evaluate FILE=标注文件.jsonl", file=sys.stderr)
        return 2
    file = Path(sys.argv[1])
    try:
        report = evaluate(read_labelled(file))
    except EvaluationError as error:
        print(error, file=sys.stderr)
        return 1
    RESULTS.mkdir(exist_ok=True)
    plot, shown = RESULTS / f"{file.stem}.png", RESULTS / f"{file.stem}.html"
    draw_reliability(report.pairs, plot)
    shown.write_text(page(report.tables(), plot.name), encoding="utf-8")
    print(markdown(report.tables()))
    print(f"\n带图的页面：{shown.relative_to(ROOT)}，可靠性曲线：{plot.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
