"""Only what is missing is asked, one thing at a time."""

from typing import Any

import pytest

from actions import fields
from contract.playbook import Playbook
from contract.ticket import FieldSource, Nature, Request, TicketDraft
from tests.actions.parts import SURE, UNSURE, story, whole


def ask(draft: TicketDraft, playbook: Playbook, *, skipped: str = "", asked: str = "", **tries: int) -> str:
    return fields.next_field(
        draft, playbook=playbook, skipped=frozenset(skipped.split()), tries=tries, asked=asked.split()
    )


class TestNextField:
    @pytest.mark.parametrize(
        ("draft", "field"),
        [
            (TicketDraft(), "narrative"),
            (TicketDraft(narrative_raw="太差了！！！！！！！！", cause_l1="C99"), "narrative"),
            (story(), "branch"),
            (story(branch_name="菜市场那家"), "event_time"),
            (story(branch="B1", event_time_text="那阵子"), "request"),
            (story(cause_l1="C3", cause_l2="C3d"), "event_time"),  # a call has no branch
            (story(cause_l1="C10", cause_l2="C10a"), "product"),
            (story(cause_l1="C10", cause_l2="C10a", product="信用卡"), "amount"),
            (TicketDraft(narrative_raw="我要匿名投诉，别留我的名字", cause_l1="C99"), "narrative"),
            (story(cause_l1="C99", cause_l2=None), "narrative"),  # too short to make a cause of
            (
                story(
                    narrative_raw="你们银行门口的大灯箱天天夜里照着我家卧室，一家人都睡不着觉",
                    cause_l1="C99",
                    cause_l2=None,
                ),
                "request",
            ),
            (whole(name=None), "name"),
            (whole(phone=None), "phone"),
            (whole(tags=(fields.JOINT,)), "representative_count"),
            (whole(is_agent=True, agent_kind="agent"), "authorization"),
            (whole(phone=None, anonymous=True), "confirm"),
            (whole(), "confirm"),
        ],
    )
    def test_the_first_that_is_missing(self, draft: TicketDraft, field: str, playbook: Playbook) -> None:
        assert ask(draft, playbook) == field

    @pytest.mark.parametrize(
        ("bookkeeping", "field"),
        [
            ({"branch": 1}, "branch"),
            ({"branch": 2}, "event_time"),
            ({"asked": "branch " * 5}, "branch"),
            ({"asked": "branch " * 6}, "event_time"),
            ({"skipped": "branch"}, "event_time"),
            ({"skipped": "branch event_time request name phone"}, "confirm"),
        ],
    )
    def test_nobody_is_asked_for_ever(self, bookkeeping: dict[str, Any], field: str, playbook: Playbook) -> None:
        assert ask(story(), playbook, **bookkeeping) == field

    @pytest.mark.parametrize(
        ("changes", "needed"),
        [
            ({"nature": Nature.PRAISE}, "narrative branch"),
            ({"nature": Nature.SUGGESTION}, "narrative phone"),
            ({"nature": Nature.SUGGESTION, "anonymous": True}, "narrative"),
            ({"nature": Nature.TIP_OFF}, "narrative branch event_time phone"),
            ({"tags": (fields.FOREIGN,)}, "narrative phone"),
            ({}, "narrative branch event_time request name phone"),
            ({"anonymous": True}, "narrative branch event_time request"),
            ({"cause_l1": None, "cause_l2": None}, "narrative request name phone"),
            (
                {"tags": (fields.JOINT,), "is_agent": True},
                "narrative branch event_time representative_count authorization request name phone",
            ),
        ],
    )
    def test_what_a_matter_needs(self, changes: dict[str, Any], needed: str, playbook: Playbook) -> None:
        assert fields.needed(story(**changes), playbook) == tuple(needed.split())

    def test_a_plain_case_takes_at_most_five_questions(self, playbook: Playbook) -> None:
        for cause in playbook.taxonomy.causes:
            for code in (cause.code, *(detail.code for detail in cause.details)):
                draft = story(cause_l1=cause.code, cause_l2=code)
                assert len(fields.missing(draft, playbook)) <= 5

    def test_what_is_missing(self, playbook: Playbook) -> None:
        assert fields.missing(whole(), playbook) == ()
        assert fields.missing(story(), playbook) == ("branch", "event_time", "request", "name", "phone")


class TestVerify:
    @pytest.mark.parametrize(
        ("changes", "told", "skipped"),
        [
            ({}, "", ""),
            ({"sources": {"branch": SURE}}, "", ""),
            ({"sources": {"branch": FieldSource(source="said", confidence=0.6)}}, "", ""),
            ({"sources": {"branch": UNSURE}}, "verify:branch", ""),
            ({"sources": {"branch": UNSURE}}, "", "branch"),
            ({"sources": {"event_time": UNSURE}, "cause_l1": "C7"}, "", ""),  # nothing hangs on the hour
            ({"sources": {"amount": UNSURE}}, "", ""),
        ],
    )
    def test_nothing_is_asked_about_again(self, changes: dict[str, Any], told: str, skipped: str) -> None:
        assert fields.to_verify(whole(**changes), frozenset(told.split()), frozenset(skipped.split())) is None

    @pytest.mark.parametrize(
        ("changes", "told", "field"),
        [
            ({"branch": UNSURE}, "", "branch"),
            ({"branch": UNSURE, "event_time": UNSURE}, "", "branch"),
            ({"branch": UNSURE, "event_time": UNSURE}, "verify:branch", "event_time"),
        ],
    )
    def test_what_was_heard_but_is_not_sure(self, changes: dict[str, FieldSource], told: str, field: str) -> None:
        assert fields.to_verify(whole(sources=changes), frozenset(told.split()), frozenset()) == field


class TestReadBack:
    @pytest.mark.parametrize(
        ("draft", "name", "value"),
        [
            (story(), "branch", None),
            (story(), "amount", None),
            (whole(), "representative_count", None),
            (whole(), "authorization", None),
            (whole(), "branch", "城东支行"),
            (whole(), "cause", "交班与营业时间"),
            (whole(cause_l2=None), "cause", "制度规定与营业安排"),
            (whole(), "event_time", "2026年11月24日（昨天）"),
            (whole(event_time_text=None), "event_time", "2026年11月24日"),
            (whole(event_time=None, event_time_text="那阵子"), "event_time", "那阵子"),
            (whole(event_time="上周", event_time_text=None), "event_time", "上周"),
            (whole(amount="300"), "amount", "300 元"),
            (whole(representative_count=8), "representative_count", "8 人"),
            (whole(authorization="promised"), "authorization", "有授权或证明材料，原件后补"),
            (whole(authorization="none"), "authorization", "暂时没有"),
            (whole(), "request", "核实"),
            (whole(request=Request.OTHER, customer_quote="换个柜员"), "request", "换个柜员"),
            (whole(), "phone", "<PHONE_1>"),
            (whole(phone=None), "phone", "未留（回到这个对话里查进度）"),
            (whole(phone=None, anonymous=True), "phone", "匿名，不留"),
            (whole(nature=Nature.PRAISE), "cause", "表扬"),
            (whole(nature=Nature.SUGGESTION), "cause", "建议"),
            (whole(nature=Nature.TIP_OFF), "cause", "交班与营业时间"),
            (whole(narrative_raw="第一句\n第二句"), "narrative", "第一句；第二句"),
            (whole(narrative_raw="长" * 81), "narrative", "长" * 79 + "…"),
        ],
    )
    def test_a_line(self, draft: TicketDraft, name: str, value: str | None, playbook: Playbook) -> None:
        card = fields.read_back_card(draft, playbook)
        assert {line.name: line.value for line in card.fields}.get(name) == value

    def test_its_lines_come_in_one_order(self, playbook: Playbook) -> None:
        names = [line.name for line in fields.read_back_card(whole(amount="300"), playbook).fields]
        assert names == ["narrative", "cause", "branch", "event_time", "amount", "request", "name", "phone"]


@pytest.mark.parametrize(("narrative", "vague"), [("", True), ("太差了，太差了！", True), ("柜台不给办还骂人", False)])
def test_is_vague(narrative: str, vague: bool) -> None:
    assert fields.is_vague(narrative) is vague


@pytest.mark.parametrize(("name", "asks"), [("confirmed", None), ("", None), ("branch", "branch"), ("cause", "cause")])
def test_as_asks(name: str, asks: str | None) -> None:
    assert fields.as_asks(name) == asks
