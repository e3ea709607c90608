"""The figures as people read them: Markdown on the terminal, a page with the plot, the matrix and the worst errors."""

import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import font_manager
from matplotlib import pyplot as plt

from benchmarks.figures import CAUSES, LEVELS, Figure, bins, class_f1, confidences, entity_counts, f1, level_confidences
from benchmarks.labelled import Pair

_WORST = 20
# Above it a missed level is a missed danger.
_CONTROLLED = 2
_CJK = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei", "PingFang SC", "SimHei")
_STYLE = (
    "body{font:15px/1.6 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1d2433}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #d5dae3;padding:.25rem .6rem;text-align:left}"
    ".ok{color:#1a7f4b}.no{color:#b3261e}.n{text-align:right}img{max-width:100%}"
)


@dataclass(frozen=True)
class Table:
    """A heading, the column names and the rows, all text."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Report:
    """Everything that one run of `make evaluate` tells. `dropped` is the points lost by perturbation and figure."""

    pairs: Sequence[Pair]
    figures: Sequence[Figure]
    dropped: Mapping[str, Mapping[str, float]]
    milliseconds: Mapping[str, float]

    def tables(self) -> list[Table]:
        """In the order of reading."""
        return [
            self._headline(),
            self._robustness(),
            Table(
                "速度（模型一条消息，毫秒）",
                ("", "毫秒"),
                [(name, f"{ms:.1f}") for name, ms in self.milliseconds.items()],
            ),
            _causes(self.pairs),
            _matrix(self.pairs),
            _levels(self.pairs),
            _entities(self.pairs),
            _worst(self.pairs),
        ]

    def _headline(self) -> Table:
        complaints = sum(it.is_complaint for it in self.pairs)
        rows = [("消息数（投诉 / 非投诉）", f"{complaints} / {len(self.pairs) - complaints}", "", "")]
        for it in self.figures:
            target = "" if it.target is None else f"{'≤' if it.at_most else '≥'} {it.target:g}"
            reached = {True: "达到", False: "未达到", None: ""}[it.reached]
            rows.append((it.label, "–" if it.value is None else f"{it.value:.3f}", target, reached))
        return Table("指标", ("指标", "值", "目标", ""), rows)

    def _robustness(self) -> Table:
        names = list(next(iter(self.dropped.values()), {}))
        rows = [(name, *(f"{lost[it]:.1f}" for it in names)) for name, lost in self.dropped.items()]
        return Table("换一种写法后少了几个百分点（目标 ≤ 3）", ("写法", *names), rows)


def markdown(tables: Iterable[Table]) -> str:
    """For the terminal and for benchmarks/README.md."""
    return "\n\n".join(
        "\n".join(
            [
                f"**{it.title}**\n",
                f"| {' | '.join(it.head)} |",
                f"|{'---|' * len(it.head)}",
                *(f"| {' | '.join(row)} |" for row in it.rows),
            ]
        )
        for it in tables
    )


def page(tables: Iterable[Table], plot: str) -> str:
    """One HTML page; `plot` is the file name of the picture beside it."""
    parts = ["<!doctype html><html lang=zh><meta charset=utf-8><title>理解评测</title>", f"<style>{_STYLE}</style>"]
    parts.append(f"<h1>理解评测</h1><img src='{html.escape(plot)}' alt='可靠性曲线：把握与正确率'>")
    for table in tables:
        head = "".join(f"<th>{html.escape(it)}</th>" for it in table.head)
        rows = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in table.rows)
        parts.append(f"<h2>{html.escape(table.title)}</h2><table><tr>{head}</tr>{rows}</table>")
    return "".join(parts)


def _cell(text: str) -> str:
    kind = {"达到": " class=ok", "未达到": " class=no"}.get(text, " class=n" if _is_number(text) else "")
    return f"<td{kind}>{html.escape(text)}</td>"


def _is_number(text: str) -> bool:
    return text.replace(".", "").replace("-", "").isdigit()


def draw_reliability(pairs: Sequence[Pair], file: Path) -> None:
    """How often it was right against how sure it was; on the diagonal a confidence means what it says."""
    known = {font.name for font in font_manager.fontManager.ttflist}
    font = next((name for name in _CJK if name in known), None)
    words = ("把握", "正确率", "原因", "等级") if font else ("confidence", "share right", "cause", "level")
    with mpl.rc_context({"font.family": [font or "sans-serif"], "axes.unicode_minus": False}):
        figure, axes = plt.subplots(figsize=(6, 5), dpi=120)
        axes.plot([0, 1], [0, 1], color="#9aa3b2", linestyle="--", linewidth=1)
        for name, sure in ((words[2], confidences(pairs)), (words[3], level_confidences(pairs))):
            points = bins(sure)
            axes.plot([it[0] for it in points], [it[1] for it in points], marker="o", label=f"{name} (n={len(sure)})")
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=words[0], ylabel=words[1])
        axes.legend(loc="upper left", frameon=False)
        figure.tight_layout()
        figure.savefig(file)
        plt.close(figure)


def _causes(pairs: Sequence[Pair]) -> Table:
    wanted, found = [it.wanted_cause for it in pairs], [it.found_cause for it in pairs]
    rows = [
        (code, str(wanted.count(code)), str(found.count(code)), f"{class_f1(wanted, found, code):.2f}")
        for code in CAUSES
        if code in wanted or code in found
    ]
    return Table("按原因", ("原因", "真实", "判为", "F1"), rows)


def _matrix(pairs: Sequence[Pair]) -> Table:
    counts = Counter((it.wanted_cause, it.found_cause) for it in pairs)
    rows = [(real, *(str(counts[real, found] or "") for found in CAUSES)) for real in CAUSES]
    return Table("混淆矩阵：原因（行真实，列判为）", ("", *CAUSES), rows)


def _levels(pairs: Sequence[Pair]) -> Table:
    counts = Counter((it.wanted["level"], it.found["level"]) for it in pairs)
    rows = [(f"{real} 级", *(str(counts[real, found] or "") for found in LEVELS)) for real in LEVELS]
    return Table("混淆矩阵：等级（行真实，列判为）", ("", *(f"{level} 级" for level in LEVELS)), rows)


def _entities(pairs: Sequence[Pair]) -> Table:
    counts = entity_counts(pairs)
    right, wrong, missed = counts["right"], counts["wrong"], counts["missed"]
    kinds = sorted({*right, *wrong, *missed})
    rows = [_entity_row(kind, right[kind], wrong[kind], missed[kind]) for kind in kinds]
    rows.append(_entity_row("合计（micro）", right.total(), wrong.total(), missed.total()))
    return Table("实体", ("实体", "对", "错", "漏", "F1"), rows)


def _entity_row(name: str, right: int, wrong: int, missed: int) -> tuple[str, ...]:
    return (name, str(right), str(wrong), str(missed), f"{f1(right, wrong, missed):.2f}")


def _worst(pairs: Sequence[Pair]) -> Table:
    """Missed danger first, then wrong causes by how sure it was of them."""
    ranked = sorted(pairs, key=_badness, reverse=True)[:_WORST]
    rows = [
        (
            str(it.wanted.get("id", "")),
            f"{it.wanted_cause} {it.wanted['level']} 级",
            f"{it.found_cause} {it.found['level']} 级",
            "、".join(it.found.get("reasons") or ()),
            str(it.wanted["text"]).replace("|", "｜").replace("\n", " "),
        )
        for it in ranked
        if _badness(it) > 0
    ]
    return Table(f"最坏的 {_WORST} 个错误", ("编号", "真实", "判为", "依据", "原文"), rows)


def _badness(pair: Pair) -> float:
    wanted, found = int(pair.wanted["level"]), int(pair.found["level"])
    missed_danger = 2.0 * max(0, wanted - found) if wanted > _CONTROLLED else 0.0
    far_off = float(abs(wanted - found) > 1)
    sure = float(pair.found["cause"][0]["confidence"]) if pair.found_cause != pair.wanted_cause else 0.0
    return missed_danger + far_off + sure
