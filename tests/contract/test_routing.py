"""Who handles what: the order of the rules, standing aside, and mistakes by line."""

import shutil
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from contract.playbook import Playbook
from contract.playbook_loader import PlaybookError, load_playbook
from contract.routing import Concern, Routing

_PLAYBOOK = Path(__file__).resolve().parents[2] / "playbook"
_DAY = date(2026, 11, 25)
_SINCE = {"effective_from": date(2020, 3, 1), "source": "约定"}


def routing(*routes: dict[str, Any], **more: Any) -> Routing:
    refusals = [{"value": 2, "effective_from": date(2020, 3, 1), "source": "约定", "reliability": "P"}]
    plain = {"fallback": "消保部", "deputy": "合规部", "refusals": refusals, **more}
    return Routing.model_validate({**plain, "routes": [{**_SINCE, **route} for route in routes]})


_ALL = routing(
    {"natures": ["举报"], "handler": "sealed nature", "restricted": True},
    {"level_min": 3, "handler": "level 3"},
    {"level_min": 4, "handler": "level 4"},
    {"level_min": 3, "branches": ["B1"], "handler": "level 3 at B1"},
    {"causes": ["C8"], "handler": "sealed cause", "restricted": True},
    {"natures": ["建议"], "handler": "nature"},
    {"causes": ["C2b"], "handler": "detail"},
    {"causes": ["C2"], "handler": "cause"},
    {"causes": ["C2"], "branches": ["B1"], "handler": "cause at B1"},
    {"causes": ["C2"], "industries": ["hospital"], "handler": "cause in a hospital"},
    {"branches": ["B2"], "handler": "branch"},
    {"causes": ["C9"], "handler": "old", "effective_to": date(2026, 1, 1)},
    {"causes": ["C9"], "handler": "new", "effective_from": date(2026, 1, 1)},
)


@pytest.mark.parametrize(
    ("concern", "handlers"),
    [
        ({"nature": "举报", "level": 4, "cause": "C8"}, ["sealed nature", "level 4", "level 3", "sealed cause"]),
        ({"level": 3, "cause": "C8"}, ["level 3", "sealed cause"]),
        ({"level": 3, "branch": "B1"}, ["level 3 at B1", "level 3"]),
        ({"level": 4, "branch": "B1"}, ["level 4", "level 3 at B1", "level 3"]),
        ({"nature": "建议", "cause": "C8"}, ["sealed cause", "nature"]),
        ({"nature": "建议", "cause": "C2", "branch": "B1"}, ["nature", "cause at B1", "cause"]),
        ({"cause": "C2", "detail": "C2b", "branch": "B1"}, ["detail", "cause at B1", "cause"]),
        ({"cause": "C2", "detail": "C2a"}, ["cause"]),
        ({"cause": "C2", "branch": "B2"}, ["cause", "branch"]),
        ({"cause": "C2", "industry": "hospital"}, ["cause in a hospital", "cause"]),
        ({"cause": "C9"}, ["new"]),
        ({"cause": "C2", "secondary": "C8c"}, ["sealed cause", "cause"]),
        ({"nature": "建议", "cause": "C2", "detail": "C8c"}, ["sealed cause", "nature", "cause"]),
        ({"cause": "C9", "secondary": "C2b"}, ["new", "detail", "cause"]),
        ({"cause": "C9", "secondary": "C2b", "branch": "B1"}, ["new", "detail", "cause at B1", "cause"]),
        ({"cause": "C9", "secondary": "C2b", "level": 3}, ["level 3", "new", "detail", "cause"]),
        ({"cause": "C9", "secondary": "C2a", "branch": "B2"}, ["new", "branch", "cause"]),
        ({"nature": "建议", "cause": "C9", "secondary": "C2"}, ["nature", "new", "cause"]),
        ({"cause": "C99", "secondary": "C2"}, ["cause"]),
        ({"cause": "C99"}, []),
    ],
)
def test_the_most_specific_wins_in_the_documented_order(concern: dict[str, Any], handlers: list[str]) -> None:
    assert [route.handler for route in _ALL.ranked(Concern(**concern), _DAY)] == handlers


def test_a_route_holds_in_its_time() -> None:
    found = _ALL.route(Concern(cause="C9"), date(2025, 12, 31))
    assert found is not None
    assert found.handler == "old"


def test_who_stands_aside_is_passed_over_in_the_same_order() -> None:
    concern = Concern(cause="C2", detail="C2b", branch="B1")
    found = _ALL.route(concern, _DAY, {"detail", "cause at B1"})
    assert found is not None
    assert found.handler == "cause"
    assert _ALL.route(concern, _DAY, {"detail", "cause at B1", "cause"}) is None
    assert (_ALL.last_resort(), _ALL.last_resort({"消保部"})) == ("消保部", "合规部")
    chief = routing({"causes": ["C1"], "handler": "x"}, escalation=[{**_SINCE, "level": 3, "to": ["消保部", "行长"]}])
    assert chief.last_resort({"消保部", "合规部"}) == "行长"


def test_anger_does_not_open_what_is_sealed() -> None:
    assert _ALL.seals(Concern(cause="C8", level=4), _DAY)
    assert not _ALL.seals(Concern(cause="C2", level=4), _DAY)


@pytest.mark.parametrize(
    ("level", "unit", "to"),
    [(2, "运营部", ("own",)), (2, "科技部", ("every",)), (3, "科技部", ("消保部",)), (3, "运营部", ("消保部",))],
)
def test_escalation_goes_to_those_named_for_the_unit(level: int, unit: str, to: tuple[str, ...]) -> None:
    chain = [
        {**_SINCE, "level": 2, "to": ["every"]},
        {**_SINCE, "level": 2, "units": ["运营部"], "to": ["own"]},
        {**_SINCE, "level": 3, "to": ["gone"], "effective_to": date(2021, 1, 1)},
    ]
    assert routing({"causes": ["C1"], "handler": "x"}, escalation=chain).escalation(level, unit, _DAY) == to


@pytest.mark.parametrize(
    ("recused", "to"),
    [
        ({"消保部"}, ("运营部",)),
        ({"运营部", "消保部"}, ("行长",)),
        ({"运营部", "消保部", "行长"}, ("合规部",)),
        ({"运营部", "消保部", "合规部", "行长"}, ("合规部",)),  # nobody is left whom the playbook names
    ],
    ids=["the others", "the level above", "the last resort", "nobody"],
)
def test_of_a_late_ticket_nobody_hears_who_stands_aside(recused: set[str], to: tuple[str, ...]) -> None:
    chain = [{**_SINCE, "level": 2, "to": ["运营部", "消保部"]}, {**_SINCE, "level": 3, "to": ["行长"]}]
    found = routing({"causes": ["C1"], "handler": "x"}, escalation=chain)
    assert found.escalation(2, "网点", _DAY, recused) == to


class TestMistakes:
    """One at a time: what cannot be meant stops the start, with its line."""

    @pytest.mark.parametrize(
        ("old", "new", "expected"),
        [
            ("{causes: [C9], handler", "{causes: [C10], handler", "分不出用哪一条"),
            ("{causes: [C9], handler", "{causes: [C9z], handler", "causes"),
            ("{causes: [C9], handler", "{causes: [C19], handler", "不在 taxonomy.yml"),
            ("{causes: [C9], handler", "{branches: [YT999], handler", "不在 branches.csv"),
            ("{causes: [C9], handler", "{handler", "fallback"),
            ("{causes: [C9], handler", "{causes: [C9], natures: [举报], handler", "永远用不上"),
            ("{causes: [C9], handler", "{level_min: 4, restricted: false, handler", "分不出用哪一条"),
            ("{causes: [C9], handler", "{causes: [C9], industries: [school], handler", "只能是"),
            (
                "copied: [保卫部, 办公室, 消费者权益保护部], effective_from: 2020-03-01, effective_to: null",
                "copied: [], effective_from: 2020-03-01, effective_to: 2020-03-01",
                "永远用不上",
            ),
            ("{causes: [C7, C8], units", "{causes: [C7, C18], units", "不在 taxonomy.yml"),
            ("- {level: 2, to: [消费", "- {level: 2, units: [网点负责人], to: [消费", "分不出告知谁"),
            ("deputy: 内控合规部", "deputy: 消费者权益保护部", "fallback"),
            (
                "handlers: []",
                "handlers: [{person: a, unit: 运营部, capacity: 1}, {person: a, unit: 运营部, capacity: 2}]",
                "已经列在",
            ),
            ("handlers: []", "handlers: [{person: a, unit: 运营部, capacity: 1, skills: [C20]}]", "不在 taxonomy.yml"),
            ("handlers: []", "handlers: [{person: a, unit: 运营部, capacity: 0}]", "capacity"),
        ],
    )
    def test_is_named_with_its_line(self, tmp_path: Path, old: str, new: str, expected: str) -> None:
        copy = Path(shutil.copytree(_PLAYBOOK, tmp_path / "playbook")) / "routing.yml"
        text = copy.read_text("utf-8")
        assert text.count(old) == 1
        copy.write_text(text.replace(old, new), "utf-8")
        with pytest.raises(PlaybookError) as raised:
            load_playbook(copy.parent)
        assert raised.value.file == copy
        assert expected in str(raised.value)
        line = text[: text.index(old)].count("\n") + 1
        # Of two that contradict each other the later one is named.
        assert raised.value.line in ({line} if "分不出" not in expected else range(line, line + 6))

    def test_what_other_days_and_industries_need_is_not_dead(self) -> None:
        assert list(_ALL.mistakes({"C2", "C2b", "C8", "C9"}, {"B1", "B2"})) == []

    def test_a_route_that_another_always_beats_is_dead(self) -> None:
        found = routing(
            {"causes": ["C2", "C2a"], "branches": ["B1"], "handler": "x"},
            {"natures": ["举报"], "handler": "sealed", "restricted": True},
            {"natures": ["举报"], "causes": ["C2"], "handler": "dead"},
        )
        assert [place for place, _ in found.mistakes({"C2", "C2a"}, {"B1"})] == [("routes", 2)]


def test_the_branch_never_handles_complaints_about_its_people(playbook: Playbook) -> None:
    routing = playbook.routing
    assert routing.recused_units(Concern(cause="C7", detail="C7a"), _DAY) == ("网点负责人",)
    assert routing.recused_units(Concern(cause="C7", nature="表扬"), _DAY) == ()
    assert routing.recused_units(Concern(cause="C5", secondary="C7a"), _DAY) == ("网点负责人",)
    assert routing.recused_units(Concern(cause="C5"), _DAY) == ()


def test_no_two_known_causes_end_at_the_last_resort(playbook: Playbook) -> None:
    """Every first cause or detail with every second one, at every level, when those stand aside whom the causes concern."""
    routing, taxonomy = playbook.routing, playbook.taxonomy
    lost = []
    for told, second, level in product(sorted(taxonomy.codes), [None, *sorted(taxonomy.codes)], range(5)):
        cause = taxonomy.cause(told)
        assert cause is not None
        detail = told if told != cause.code else None
        concern = Concern(cause=cause.code, detail=detail, secondary=second, level=level)
        found = routing.route(concern, _DAY, set(routing.recused_units(concern, _DAY)))
        if found is None:
            lost.append((told, second, level))
    # Only 其他 without any other cause is for the last resort to sort out, while nobody is angry.
    assert sorted(lost, key=str) == sorted(
        [("C99", other, level) for other in ("C99", None) for level in range(3)], key=str
    )


@pytest.mark.parametrize(
    ("cause", "second", "level", "handler"),
    [
        ("C5", "C7a", 1, "人力资源部（服务监督）"),
        ("C7", "C5a", 1, "人力资源部（服务监督）"),
        ("C5", "C8c", 1, "内控合规部（纪检）"),
        ("C5", "C1", 1, "网点负责人"),
        ("C1", "C7a", 1, "运营部"),
        ("C99", "C11a", 0, "反欺诈中心"),
        ("C5", "C7a", 3, "消费者权益保护部"),
        ("C5", "C7a", 4, "应急领导小组"),
    ],
)
def test_who_leads_where_two_causes_were_told(
    playbook: Playbook, cause: str, second: str, level: int, handler: str
) -> None:
    """domain.md 6.6; where the branch must not handle its own people's conduct, whoever handles conduct leads."""
    concern = Concern(cause=cause, secondary=second, level=level)
    found = playbook.routing.route(concern, _DAY, set(playbook.routing.recused_units(concern, _DAY)))
    assert found is not None
    assert found.handler == handler
