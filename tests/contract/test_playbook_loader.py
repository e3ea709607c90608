"""A mistake in the playbook names file, line and what was expected."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from contract.playbook import Playbook
from contract.playbook_loader import PlaybookError, load_playbook
from contract.routing import Concern
from contract.sla import Matter

_PLAYBOOK = Path(__file__).resolve().parents[2] / "playbook"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(_PLAYBOOK, tmp_path / "playbook"))


def _replace(path: Path, old: str, new: str) -> int:
    """Replaces the first occurrence and returns its line."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("sla.yml", "{value: 1,", "{value: 一天,", "应为整数"),
        ("sla.yml", "effective_from: 2021-01-01", "effective_from: 去年", "日期"),
        ("sla.yml", "service_pauses: [waiting_customer]", "service_pauses: [new]", "service_pauses"),
        ("calendar.yml", '{open: "09:00", close', '{open: "9点", close', "时:分"),
        ("calendar.yml", "years: []", "years: [{year: 2027, source: 通知}]", "缺少这一项"),
        ("taxonomy.yml", "name: 业务差错", "nmae: 业务差错", "没有这一项"),
        ("taxonomy.yml", "code: C1a", "code: C2z", "code"),
        ("routing.yml", "handler: 应急领导小组", "handler: [", "YAML"),
        ("routing.yml", "natures: [表扬]", "natures: [夸奖]", "只能是"),
        ("evidence.yml", "media_type: image/webp", "media_type: image/svg+xml", "只能是"),
        ("evidence.yml", "largest_mb: 10}", "largest_mb: 10G}", "应为整数"),
        ("explanations/X10.yml", "都是防止钱被别人取走", "您应该理解", "禁语"),
        (
            "explanations/X02.yml",
            "{branch_name}公示的营业时间是{hours}，您来的时候",
            "{brunch}公示的营业时间是{hours}，您来的时候",
            "占位符",
        ),
        ("explanations/X11.yml", "effective_to: 2026-01-01\n    basis", "effective_to: null\n    basis", "重叠"),
        ("explanations/X19.yml", "reliability: V", "reliability: R", "R 级来源"),
    ],
)
def test_refuses_a_mistake(copy: Path, file: str, old: str, new: str, expected: str) -> None:
    line = _replace(copy / file, old, new)
    with pytest.raises(PlaybookError) as raised:
        load_playbook(copy)
    assert raised.value.file == copy / file
    assert raised.value.line is not None
    assert expected in str(raised.value)
    # The parser may only notice on the next line that a bracket was never closed; a whole version may overlap another.
    if expected not in ("YAML", "重叠", "R 级来源"):
        assert raised.value.line == line


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("09:00-17:00", "17:00-09:00", "早于"),
        ("12:00-12:20", "中午", "branches.csv"),
        ("YT002", "YT001", "重复"),
    ],
)
def test_refuses_a_bad_branch(copy: Path, old: str, new: str, expected: str) -> None:
    line = _replace(copy / "branches.csv", old, new)
    with pytest.raises(PlaybookError, match=expected) as raised:
        load_playbook(copy)
    assert raised.value.line == line


def test_names_a_missing_file(copy: Path) -> None:
    (copy / "sla.yml").unlink()
    with pytest.raises(PlaybookError, match="找不到"):
        load_playbook(copy)


class TestTheDemonstrationBank:
    """What the issue asks of `playbook/`."""

    def test_has_eight_branches_with_all_facts(self, playbook: Playbook) -> None:
        assert len(playbook.branches) == 8
        names = {branch.name for branch in playbook.branches}
        for branch in playbook.branches:
            assert branch.hours
            assert branch.handover
            assert branch.windows
            assert set(branch.nearest) <= names

    def test_has_thirteen_causes(self, playbook: Playbook) -> None:
        assert [cause.code for cause in playbook.taxonomy.causes] == [*(f"C{n}" for n in range(1, 13)), "C99"]

    def test_has_the_first_scripts(self, playbook: Playbook) -> None:
        assert {script.id for script in playbook.scripts} >= {
            "X00", "X02", "X05", "X10", "X11", "X19", "X21", "X25", "X27",
        }  # fmt: skip

    def test_legal_deadlines(self, playbook: Playbook) -> None:
        day = date(2026, 11, 25)
        (legal,) = playbook.sla.terms("decision", Matter(), level=0, day=day)
        assert (legal[0].unit, legal[1].value) == ("natural_day", 15)
        urgent = [
            (term.unit, number.value)
            for term, number in playbook.sla.terms("first_contact", Matter(), level=4, day=day)
        ]
        assert urgent == [("working_day", 1), ("hour", 2), ("minute", 15)]
        assert (
            playbook.sla.limit("decision", "extension", Matter(), day),
            playbook.sla.limit("decision", "max", Matter(), day),
        ) == (30, 60)

    def test_an_unsure_number_never_decides_what_customers_are_told(self, playbook: Playbook) -> None:
        day = date(2026, 11, 25)
        unsure = [term.kind for term in playbook.sla.clocks if not all(value.is_sure for value in term.values)]
        assert set(unsure) == {"review", "transfer_reply"}
        (review,) = playbook.sla.terms("review", Matter(), level=4, day=day)
        assert review[1].reliability == "P"
        (reply,) = playbook.sla.terms("transfer_reply", Matter(source="12363"), level=0, day=day)
        assert reply[1].reliability == "W"

    @pytest.mark.parametrize(
        ("cause", "detail", "level", "handler"),
        [
            ("C2", "C2b", 1, "内控合规部"),
            ("C2", "C2a", 1, "运营部"),
            ("C8", "C8a", 2, "内控合规部（纪检）"),
            ("C5", "C5a", 3, "消费者权益保护部"),
            ("C3", None, 4, "应急领导小组"),
        ],
    )
    def test_routes(self, playbook: Playbook, cause: str, detail: str | None, level: int, handler: str) -> None:
        route = playbook.routing.route(Concern(cause=cause, detail=detail, level=level), date(2026, 11, 25))
        assert route is not None
        assert route.handler == handler

    @pytest.mark.parametrize(
        ("nature", "cause", "level", "handler", "sealed"),
        [
            ("表扬", "C7", 1, "人力资源部（服务监督）", False),
            ("建议", "C3", 3, "消费者权益保护部", False),
            ("举报", "C3", 4, "内控合规部（纪检）", True),
            ("建议", "C8", 1, "内控合规部（纪检）", True),
            ("投诉", "C8", 3, "消费者权益保护部", True),
        ],
        ids=["nature before cause", "level before nature", "a tip before all", "a sealed cause before nature", "C8"],
    )
    def test_routes_of_natures(
        self, playbook: Playbook, nature: str, cause: str, level: int, handler: str, sealed: bool
    ) -> None:
        day, routing = date(2026, 11, 25), playbook.routing
        matter = Concern(nature=nature, cause=cause, level=level)
        route = routing.route(matter, day)
        assert route is not None
        assert route.handler == handler
        assert routing.seals(matter, day) is sealed

    def test_no_route_for_what_has_no_cause(self, playbook: Playbook) -> None:
        assert playbook.routing.route(Concern(cause="C99"), date(2026, 11, 25)) is None
        assert playbook.routing.fallback
