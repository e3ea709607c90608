"""Which explanation is chosen, in which words, and that it never claims what is not known."""

from datetime import date
from typing import Any

import pytest

from actions.explain import Explanation, Situation, applicable_scripts, render, used_scripts
from contract.dated import in_force
from contract.playbook import Playbook
from contract.script import Condition, Script, Variant

# A text that stands for every placeholder, so that what is said shows where a fact goes.
_KNOWN = {
    "branch_name": "城东支行", "hours": "周一至周五09:00-17:00", "handover": "12:00到12:20", "machines": "1台取款机",
    "nearest": "柳园支行", "hotline": "400-000-0000", "cash_in_id": "5万元",
}  # fmt: skip
_CLOSED_NOON: tuple[Condition, ...] = ("branch_known", "in_handover", "published_closed", "window_closed")


def situation(*conditions: Condition, **more: Any) -> Situation:
    plain: dict[str, Any] = {"cause": "C5a", "level": 1, "day": date(2026, 11, 25), "slots": _KNOWN}
    return Situation(conditions=frozenset(conditions), **(plain | more))


def script(playbook: Playbook, script_id: str) -> Script:
    return playbook.script(script_id) or pytest.fail(script_id)


def explain(playbook: Playbook, script_id: str, given: Situation) -> Explanation:
    return render(script(playbook, script_id), given) or pytest.fail(f"{script_id} says nothing")


def words(explanation: Explanation) -> str:
    return "".join(explanation.stages.values())


class TestChoice:
    @pytest.mark.parametrize(
        ("cause", "story", "used"),
        [
            (None, "交班", ""),
            ("C99", "交班", ""),
            ("C1a", "少了三百", ""),  # nothing excuses a mistake of ours
            ("C5a", "交班", "X02"),
            ("C5b", "要看我的身份证", ""),  # none of its scripts is about that story
            ("C5c", "不让我办", ""),
        ],
    )
    def test_none(self, cause: str | None, story: str, used: str, playbook: Playbook) -> None:
        assert applicable_scripts(playbook, cause, story, frozenset(used.split())) == []

    @pytest.mark.parametrize(
        ("cause", "story", "used", "script_id"),
        [
            ("C3a", "等了两个小时", "", "X01"),
            ("C5a", "交班", "", "X02"),
            ("C2a", "两个人说的不一样", "", "X03"),
            ("C2b", "别人就能办", "", "X04"),
            ("C4a", "又复印又授权", "", "X05"),
            ("C4c", "数钱太慢", "", "X06"),
            ("C6a", "系统升级", "", "X07"),
            ("C6c", "手机银行登不上", "", "X08"),
            ("C6b", "吞卡了", "", "X09"),
            ("C5d", "卡丢了", "", "X14"),
            ("C10a", "扣了年费", "", "X19"),
            ("C3c", "让别人插队", "", "X20"),
            ("C7b", "推来推去", "", "X21"),
            ("C8a", "收好处", "", "X22"),
            ("C9d", "说好的收益没有", "", "X23"),
            ("C12a", "一天二十个电话", "", "X24"),
            ("C11a", "被盗刷", "", "X25"),
            ("C11c", "信息泄露", "", "X26"),
            # The words of the story come before the cause.
            ("C5a", "对公窗口中午不办", "", "X18"),
            ("C5a", "对公窗口中午不办", "X18", "X02"),
            ("C5c", "取二十万要预约", "", "X10"),
            ("C5c", "存六万要身份证", "", "X11"),
            ("C5b", "取钱问我干什么用", "", "X12"),
            ("C5b", "改密码非要本人", "", "X13"),
            ("C5b", "替我妈代取不行", "", "X15"),
            ("C5b", "定期没到期不让取", "", "X16"),
            ("C5e", "存钱问我来源", "X11", "X12"),
            # Of those whose words fit, the one for the detail.
            ("C5d", "定期存单丢了", "", "X14"),
        ],
    )
    def test_the_script_of_cause_and_story(
        self, cause: str, story: str, used: str, script_id: str, playbook: Playbook
    ) -> None:
        found = next(iter(applicable_scripts(playbook, cause, story, frozenset(used.split()))), None)
        assert found is not None
        assert found.id == script_id


class TestVersions:
    @pytest.mark.parametrize("day", [date(2020, 1, 1), date(2022, 2, 28)])
    def test_before_the_first_version_nothing_is_said(self, day: date, playbook: Playbook) -> None:
        assert render(script(playbook, "X11"), situation(cause="C5b", day=day)) is None

    @pytest.mark.parametrize(
        ("day", "label", "told", "untold"),
        [
            (date(2025, 12, 31), "X11@1", "来源或用途", "不再一律询问"),
            (date(2026, 1, 1), "X11@2", "不再一律询问", "来源或用途"),
        ],
    )
    def test_the_day_it_happened_decides(
        self, day: date, label: str, told: str, untold: str, playbook: Playbook
    ) -> None:
        for turn in range(3):
            found = explain(playbook, "X11", situation(cause="C5b", day=day, turn=turn))
            assert found.label == label
            assert told in words(found)
            assert told in found.spoken
            assert untold not in words(found) + found.spoken

    def test_a_text_may_name_the_day_of_its_rule(self, playbook: Playbook) -> None:
        assert "2026年1月1日" in words(explain(playbook, "X11", situation(cause="C5b")))

    @pytest.mark.parametrize(
        ("labels", "day", "used"),
        [
            ((), date(2026, 1, 1), set()),
            # Told under today's rule; it turns out that it happened under the old one.
            (("X11@2",), date(2025, 12, 31), set()),
            (("X11@1", "X00@1"), date(2026, 1, 1), {"X00"}),
            (("X11@2",), date(2026, 1, 1), {"X11"}),
            (("X11@2", "X11@1"), date(2025, 12, 31), {"X11"}),
            (("X11@2", "X99@1"), date(2020, 1, 1), {"X11", "X99"}),  # no rule held that could be told
        ],
    )
    def test_a_script_is_used_up_in_the_version_of_the_day(
        self, labels: tuple[str, ...], day: date, used: set[str], playbook: Playbook
    ) -> None:
        assert used_scripts(playbook, labels, day) == used


class TestWordings:
    def test_three_ways_and_then_the_first_again(self, playbook: Playbook) -> None:
        said = [words(explain(playbook, "X02", situation(*_CLOSED_NOON, turn=turn))) for turn in range(4)]
        assert len(set(said)) == 3
        assert said[3] == said[0]

    def test_the_same_turn_says_the_same(self, playbook: Playbook) -> None:
        given = situation(*_CLOSED_NOON, turn=7)
        assert explain(playbook, "X02", given) == explain(playbook, "X02", given)


class TestFacts:
    @pytest.mark.parametrize(
        ("conditions", "slots"),
        [
            ((), _KNOWN),
            (("branch_known",), {}),
            (_CLOSED_NOON, {}),
            (("branch_known", "closed_all_day"), {}),
            (("branch_known", "in_handover", "published_open", "window_closed"), {"hours": "周一至周五09:00-17:00"}),
        ],
    )
    def test_an_empty_fact_is_registered_never_guessed(
        self, conditions: tuple[Condition, ...], slots: dict[str, str], playbook: Playbook
    ) -> None:
        for turn in range(3):
            found = explain(playbook, "X02", situation(*conditions, slots=slots, turn=turn))
            assert "登记核实" in found.stages["fact"]
            assert "{" not in words(found) + found.spoken
            assert "None" not in words(found) + found.spoken
            assert not found.fault

    @pytest.mark.parametrize(
        "conditions",
        [
            ("branch_known", "in_handover", "published_open", "window_closed"),
            ("branch_known", "in_handover", "published_open", "window_closed", "machines_known"),
            ("branch_known", "outside_handover", "published_open"),
        ],
    )
    def test_published_hours_make_the_customer_right(
        self, conditions: tuple[Condition, ...], playbook: Playbook
    ) -> None:
        for turn in range(3):
            found = explain(playbook, "X02", situation(*conditions, turn=turn))
            assert found.fault
            assert "我行的问题" in found.stages["fact"]
            assert "周一至周五09:00-17:00" in words(found)

    @pytest.mark.parametrize(
        ("conditions", "told"),
        [
            ((*_CLOSED_NOON, "machines_known"), "1台取款机"),
            ((*_CLOSED_NOON, "nearest_known"), "柳园支行"),
            (_CLOSED_NOON, "400-000-0000"),
            (("branch_known", "closed_all_day", "published_closed"), "不营业"),
        ],
    )
    def test_a_closed_hour_is_explained(self, conditions: tuple[Condition, ...], told: str, playbook: Playbook) -> None:
        found = explain(playbook, "X02", situation(*conditions))
        assert not found.fault
        assert told in found.spoken
        assert told in words(found)

    @pytest.mark.parametrize(
        ("level", "heard", "told"),
        [
            (0, None, "记"),
            (1, "排了两个小时", "“排了两个小时”"),
            (2, None, "记"),
            (3, "排了两个小时", "“排了两个小时”"),
        ],
    )
    def test_the_customers_words_are_said_back_where_there_are_any(
        self, level: int, heard: str | None, told: str, playbook: Playbook
    ) -> None:
        slots = {"heard": heard} if heard else {}
        for cause in (None, *(it.code for it in playbook.taxonomy.causes)):
            found = explain(playbook, "X00", situation(cause=cause, level=level, slots=slots))
            assert told in words(found)
            assert ("“" in words(found)) is (heard is not None)

    def test_heat_has_its_own_words(self, playbook: Playbook) -> None:
        said = {words(explain(playbook, "X00", situation(cause="C3", level=level, slots={}))) for level in (1, 3)}
        assert len(said) == 2


class TestBubbles:
    @pytest.mark.parametrize(
        ("stages", "short", "feeling", "lengths"),
        [
            ("feeling fact now next", False, True, (80, 31, 50)),
            ("feeling fact now next", False, False, (61, 50)),
            ("feeling fact now next", True, True, (30,)),
            ("feeling", False, False, (50,)),  # where it is all there is
            ("feeling", True, True, (50,)),
        ],
    )
    def test_stages_share_a_bubble_as_long_as_they_fit(
        self, stages: str, short: bool, feeling: bool, lengths: tuple[int, ...]
    ) -> None:
        lines = {"feeling": "心" * 50, "fact": "实" * 30, "now": "办" * 31, "next": "后" * 50}
        kept = {name: line for name, line in lines.items() if name in stages.split()}
        found = Explanation(script_id="X02", version=1, stages=kept, spoken="说", fault=False)
        bubbles = found.bubbles(short=short, feeling=feeling)
        assert tuple(len(bubble) for bubble in bubbles) == lengths


class TestEveryScript:
    """With nothing known, on every day that has a version."""

    def test_can_be_said_without_any_fact(self, playbook: Playbook) -> None:
        for it in playbook.scripts:
            for cause in it.causes or (None,):
                for level in range(3):
                    given = situation(cause=cause, level=level, slots=self._public(playbook))
                    assert render(it, given) is not None, (it.id, cause, level)

    def test_never_says_what_must_not_be_said(self, playbook: Playbook) -> None:
        for variant in _variants(playbook):
            for text in (variant.spoken, *(line for wording in variant.wordings for line in wording.lines)):
                assert not playbook.phrases.violations(text)

    def test_is_in_force_today(self, playbook: Playbook) -> None:
        assert [it.id for it in playbook.scripts if in_force(it.versions, date(2026, 11, 25)) is None] == []

    def test_all_of_the_catalogue_is_there(self, playbook: Playbook) -> None:
        assert [it.id for it in playbook.scripts] == [f"X{number:02d}" for number in range(33)]

    @staticmethod
    def _public(playbook: Playbook) -> dict[str, str]:
        organisation = playbook.organisation
        figures = playbook.sla.figures_on(date(2026, 11, 25))
        return {
            "hotline": organisation.hotline,
            "bank": organisation.name,
            "ticket_no": "TS1",
            "state": "在核实。",
            **figures,
        }


def _variants(playbook: Playbook) -> list[Variant]:
    return [variant for it in playbook.scripts for version in it.versions for variant in version.variants]
