"""Questions are answered from directory and playbook; where there is no answer, it is said so."""

from dataclasses import replace
from typing import Any

import pytest

from actions.answer import ActionAnswer, ActionClarify, answer_question
from actions.tracker import Memory, Turn
from contract.playbook import Playbook
from tests.actions.parts import FakeBridge, Spoken, at, branch, cue, memory, say, slots_of, story, tracker, world

OUTSIDE = replace(memory(), form_active=False)
IN_FORM = memory(story(), "branch")
WITH_TICKET = replace(OUTSIDE, ticket_no="TS1")
HERE = at("B1", "城东支行")


def answered(playbook: Playbook, turn: Turn, known: Memory = OUTSIDE, **facts: Any) -> Spoken:
    spoken = Spoken()
    answer_question(spoken.voice(), turn, known, world(playbook, branch(**facts)))
    return spoken


@pytest.mark.parametrize(
    ("message", "known", "line"),
    [
        (say("今年利率多少", "inquire"), OUTSIDE, "utter_answer_unknown"),
        (say("几点开门", "inquire"), OUTSIDE, "utter_answer_unknown"),  # of which branch?
        (say("几点开门", "inquire", at(None, "菜市场那家")), OUTSIDE, "utter_answer_unknown"),
        (say("要多久", "inquire", cue("how_long")), OUTSIDE, "utter_answer_unknown"),  # what would take long?
        (say("帮我写首诗", "out_of_scope"), OUTSIDE, "utter_out_of_scope"),
        (say("今年利率多少", "inquire"), IN_FORM, "utter_answer_later"),
        (say("移动多扣我话费", "out_of_scope", cue("telecom", "移动")), IN_FORM, "utter_answer_later"),
        (say("工行的态度差", "complain", cue("other_bank", "工行")), OUTSIDE, "utter_elsewhere_bank"),
        (say("移动多扣我话费", "out_of_scope", cue("telecom", "移动")), OUTSIDE, "utter_elsewhere_telecom"),
        (say("美团不退款", "out_of_scope", cue("other_company", "美团")), OUTSIDE, "utter_elsewhere_company"),
        (say("投诉要多久", "inquire", cue("how_long")), OUTSIDE, "utter_how_long"),
        (say("要多久", "inquire", cue("how_long")), IN_FORM, "utter_how_long"),
        (say("然后呢", "inquire", cue("what_next")), IN_FORM, "utter_what_next"),
        (say("截图怎么发给你们", "inquire", cue("evidence")), OUTSIDE, "utter_evidence_how"),
    ],
)
def test_never_guessed(message: Turn, known: Memory, line: str, playbook: Playbook) -> None:
    spoken = answered(playbook, message, known)
    assert (spoken.lines, spoken.texts) == ([line], [])


@pytest.mark.parametrize(
    ("message", "known", "lines", "facts"),
    [
        (say("监管电话多少？", "inquire"), OUTSIDE, ["utter_complain_here"], ("12378", "12363", "权利")),
        (say("监管电话多少？", "inquire"), IN_FORM, [], ("12378", "12363", "权利")),
        (say("监管电话多少？", "inquire"), WITH_TICKET, [], ("12378", "12363", "权利")),
        (say("答复我不认怎么办", "inquire"), WITH_TICKET, [], ("核查", "调解", "12378")),
        (say("可以匿名吗", "inquire"), OUTSIDE, [], ("工单号",)),
    ],
)
def test_rights_in_the_words_of_the_playbook(
    message: Turn, known: Memory, lines: list[str], facts: tuple[str, ...], playbook: Playbook
) -> None:
    spoken = answered(playbook, message, known)
    assert spoken.lines == lines
    assert all(fact in "".join(spoken.texts) for fact in facts)


@pytest.mark.parametrize(
    ("text", "facts", "line", "told"),
    [
        ("城东周六开门吗", {}, "utter_branch_closed", {"closed": "周六不营业", "hours": "周一至周五09:00-17:00"}),
        ("城东周末开门吗", {}, "utter_branch_closed", {"closed": "周六不营业"}),
        ("城东明天几点开门", {}, "utter_branch_hours_handover", {"hours": "周一至周五09:00-17:00", "handover": "12:00到12:20"}),
        ("城东今天几点关门", {"handover": []}, "utter_branch_hours", {"hours": "周一至周五09:00-17:00"}),
        ("城东星期四几点关门", {"handover": []}, "utter_branch_hours", {"hours": "周一至周五09:00-17:00"}),
        ("城东的营业时间", {"handover": []}, "utter_branch_hours", {"branch_name": "城东支行"}),
    ],
)  # fmt: skip
def test_opening_hours_of_the_day_that_is_asked_about(
    text: str, facts: dict[str, Any], line: str, told: dict[str, str], playbook: Playbook
) -> None:
    spoken = answered(playbook, say(text, "inquire", HERE), **facts)
    assert spoken.lines == [line]
    assert told.items() <= spoken.line(line).items()


def test_the_branch_of_the_matter_is_meant_where_none_is_named(playbook: Playbook) -> None:
    spoken = answered(playbook, say("周六开门吗", "inquire"), memory(story(branch="B1")))
    assert spoken.lines == ["utter_branch_closed"]


async def test_answering_changes_nothing(playbook: Playbook) -> None:
    spoken = Spoken()
    events = await ActionAnswer(FakeBridge(), playbook).run(
        spoken, tracker(say("今年利率多少", "inquire"), OUTSIDE), {}
    )
    assert (events, spoken.line("utter_answer_unknown")["hotline"]) == ([], playbook.organisation.hotline)


@pytest.mark.parametrize(("clarified", "line"), [(False, "utter_clarify"), (True, "utter_offer_human")])
async def test_the_second_time_in_a_row_a_human_is_offered(clarified: bool, line: str) -> None:
    spoken = Spoken()
    known = replace(OUTSIDE, clarified=clarified)
    events = await ActionClarify().run(spoken, tracker(say("啊", "nlu_fallback"), known), {})
    assert (spoken.lines, slots_of(events)) == ([line], {"clarified": not clarified})
