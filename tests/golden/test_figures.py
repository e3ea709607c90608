"""The project's own labelled messages: no figure may fall by more than two points.

`golden.jsonl` was written by hand for this and is never trained on; `figures.json` holds what was reached when it was last
recorded. After a change that raises a figure, record it: `python -m tests.golden.test_figures`.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.evaluate import evaluate
from benchmarks.labelled import ROOT, read_labelled
from benchmarks.report import Report, markdown

HERE = Path(__file__).resolve().parent
GOLDEN, RECORDED = HERE / "golden.jsonl", HERE / "figures.json"
_MAY_FALL = 0.02


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluate(read_labelled(GOLDEN))


def recorded(part: str) -> Mapping[str, float]:
    """`figures` by name; `lost`: the points that another spelling costs, by spelling and figure."""
    found: Mapping[str, float] = json.loads(RECORDED.read_text(encoding="utf-8"))[part]
    return found


def lost(report: Report) -> dict[str, float]:
    return {f"{name}：{label}": points for name, by in report.dropped.items() for label, points in by.items()}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(recorded("figures")))
def test_no_figure_falls(report: Report, name: str) -> None:
    figure = next(it for it in report.figures if it.name == name)
    assert figure.value is not None
    fallen = (figure.value - recorded("figures")[name]) * (1 if figure.at_most else -1)

    assert fallen <= _MAY_FALL, f"{figure.label}：{recorded('figures')[name]:.3f} → {figure.value:.3f}"


def test_every_figure_is_recorded(report: Report) -> None:
    assert set(recorded("figures")) == {it.name for it in report.figures if it.value is not None}


def test_another_spelling_costs_no_more(report: Report) -> None:
    risen = {name: points - recorded("lost")[name] for name, points in lost(report).items()}

    assert {name: points for name, points in risen.items() if points > 100 * _MAY_FALL} == {}


def test_nothing_of_it_is_trained_on() -> None:
    trained = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "data" / "nlu").rglob("*.yml"))

    assert [it["id"] for it in read_labelled(GOLDEN) if len(it["text"]) > 8 and it["text"] in trained] == []


if __name__ == "__main__":
    reached = evaluate(read_labelled(GOLDEN))
    found = {
        "figures": {it.name: round(it.value, 4) for it in reached.figures if it.value is not None},
        "lost": {name: round(points, 1) for name, points in lost(reached).items()},
    }
    RECORDED.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(markdown(reached.tables()))
