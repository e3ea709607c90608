"""The figures of `make evaluate` on pairs small enough to count by hand."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import perturb
from benchmarks.figures import bins, ece, figures, macro_f1, percentile
from benchmarks.labelled import EvaluationError, Pair, read_labelled
from benchmarks.report import Report, draw_reliability, markdown, page


def pair(wanted: str, *found: str, level: int = 1, found_level: int = 1, text: str = "话", **more: Any) -> Pair:
    """A message of this cause, and the ranking that was found; `none` is no complaint."""

    def nature(code: str) -> str:
        return "other" if code == "none" else "complaint"

    return Pair(
        {"id": "1", "text": text, "nature": nature(wanted), "cause": wanted, "level": level, **more},
        {
            "nature": nature(found[0]),
            "cause": [{"code": code, "confidence": 0.8} for code in found],
            "level": found_level,
            "level_confidence": 0.9,
            "entities": more.get("entities", []),
        },
    )


def value(name: str, *pairs: Pair) -> float | None:
    return next(it.value for it in figures(pairs) if it.name == name)


def test_every_class_counts_the_same() -> None:
    assert macro_f1(["a", "a", "a", "b"], ["a", "a", "a", "a"], "ab") == pytest.approx((6 / 7 + 0) / 2)


def test_the_cause_among_the_first_three() -> None:
    assert value("cause_top3", pair("C1", "C2", "C3", "C1"), pair("C1", "C2", "C3", "C4", "C1")) == 0.5


def test_only_calm_messages_can_be_taken_for_complaints() -> None:
    calm, shouted = pair("none", "C1", level=0), pair("none", "C1", level=2)

    assert value("false_complaints", calm, pair("none", "none", level=0), shouted) == 0.5


def test_levels_from_three_up() -> None:
    pairs = [pair("C1", "C1", level=3, found_level=4), pair("C1", "C1", level=4, found_level=2)]

    assert value("level3_recall", *pairs) == 0.5
    assert value("level3_precision", *pairs) == 1.0
    assert value("level4_recall", *pairs) == 0.0
    assert value("level_within_one", *pairs) == 0.5


def test_a_threat_that_is_nobodys_must_not_raise() -> None:
    told = pair("C1", "C1", found_level=3, text="我不想去打12378")

    assert value("not_raised", told, pair("C1", "C1", found_level=3, text="钱少了")) == 0.0


def test_values_are_only_asked_where_they_were_labelled() -> None:
    wanted = [{"type": "amount", "text": "三百", "value": "300"}, {"type": "time", "text": "昨天"}]

    assert value("values_right", pair("C1", "C1", entities=wanted)) == 1.0
    assert value("values_right", pair("C1", "C1", entities=wanted[1:])) is None


def test_calibration_is_the_gap_between_confidence_and_success() -> None:
    assert ece([(0.8, True)] * 8 + [(0.8, False)] * 2) == pytest.approx(0.0)
    assert ece([(0.9, False)]) == pytest.approx(0.9)
    assert ece([]) is None
    assert bins([(1.0, True)]) == [(1.0, 1.0, 1)]


def test_percentiles() -> None:
    assert (percentile([1, 2, 3, 4], 0.5), percentile([1, 2, 3, 4], 0.95)) == (2, 4)


@pytest.mark.parametrize("name", perturb.PERTURBATIONS)
def test_another_spelling_is_the_same_at_every_run(name: str) -> None:
    change = perturb.PERTURBATIONS[name]
    text = "昨天下午去柜台取钱，排了2个小时！办事的人还说系统坏了，叫我明天再来。"

    assert change(text) == change(text) != text


def test_the_page_escapes_what_customers_wrote(tmp_path: Path) -> None:
    pairs = [pair("C1", "C2", text="<script>alert(1)</script>|钱少了", level=4, found_level=1)]
    report = Report(pairs, figures(pairs), {"繁体": {"原因": 1.0}}, {"p50": 1.0})

    draw_reliability(pairs, tmp_path / "plot.png")
    shown = page(report.tables(), "plot.png")

    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert "<script>alert" not in shown
    assert "｜钱少了" in markdown(report.tables())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "没有一条消息"),
        ("{not json}", "第 1 行不是 JSON 对象"),
        ('{"text": "话"}', "第 1 行缺少 nature、cause、level"),
    ],
)
def test_a_file_that_cannot_be_scored(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "labelled.jsonl"
    file.write_text(content, encoding="utf-8")

    with pytest.raises(EvaluationError, match=said):
        read_labelled(file)
