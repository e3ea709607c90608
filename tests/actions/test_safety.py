"""Level 4: one line, the duty manager, an urgent ticket; no script, no question, no form."""

from dataclasses import replace
from typing import Any

import pytest

from actions.safety import ActionSafety, line_for
from actions.tracker import Memory, Span, Turn
from contract.playbook import Playbook
from tests.actions.parts import STORY, TICKET, FakeBridge, Spoken, follows, memory, say, slots_of, span, story, tracker

ALERT = {"handover": {"reason": "level", "alert": True}}
SELF_HARM, THREAT, FRAUD, CROWD = (span("tag", "", tag) for tag in ("自伤", "人身威胁", "资金正在被骗", "群体"))
DESPAIR = say("我不想活了", "complain", SELF_HARM, level=4)


async def keep_safe(playbook: Playbook, turn: Turn, before: Memory, bridge: FakeBridge) -> tuple[Spoken, list[Any]]:
    spoken = Spoken()
    return spoken, await ActionSafety(bridge, playbook).run(spoken, tracker(turn, before), {})


@pytest.mark.parametrize(
    ("tags", "line"),
    [
        ((), "utter_safety"),
        ((span("tag", "", "舆情"),), "utter_safety"),
        ((FRAUD,), "utter_safety_fraud"),
        ((CROWD,), "utter_safety_crowd"),
        ((span("tag", "", "人身伤害"),), "utter_safety_injury"),
        ((CROWD, FRAUD, THREAT), "utter_safety_violence"),
        ((THREAT, SELF_HARM), "utter_safety_self_harm"),  # the most urgent first
    ],
)
def test_the_line_for_a_danger(tags: tuple[Span, ...], line: str) -> None:
    assert line_for(say("啊", "complain", *tags, level=4)) == line


@pytest.mark.parametrize("before", [memory(), memory(story(), "branch", asked=("branch",))])
async def test_whatever_went_on_ends(before: Memory, playbook: Playbook) -> None:
    spoken, events = await keep_safe(playbook, DESPAIR, before, FakeBridge())
    assert spoken.lines == ["utter_safety_self_harm"]
    assert (spoken.texts, spoken.asks, spoken.buttons) == ([], [], [])
    assert ALERT in [part.get("json_message") for part in spoken.said]
    assert follows(events) == [None]
    assert slots_of(events)["requested_slot"] is None


async def test_an_urgent_ticket_with_everything_that_was_told(playbook: Playbook) -> None:
    _, events = await keep_safe(playbook, DESPAIR, memory(story(), "branch"), bridge := FakeBridge())
    ((ticket, key),) = bridge.tickets
    assert (ticket.level, ticket.tags, key) == (4, ("自伤",), "c1:1")
    assert ticket.narrative_raw == f"{STORY}\n{DESPAIR.text}"
    slots = slots_of(events)
    assert (slots["ticket_no"], slots["level_peak"], slots["narrative_raw"]) == (TICKET, 4, None)
    assert slots["told"] == ["utter_safety_self_harm"]


@pytest.mark.parametrize("channel", ["web", "hotline"])
async def test_money_being_stolen_is_told_everything_to_do(channel: str, playbook: Playbook) -> None:
    stolen = say("钱正在往外转", "complain", FRAUD, level=4, channel=channel)
    spoken, _ = await keep_safe(playbook, stolen, memory(), FakeBridge())
    assert spoken.lines == ["utter_safety_fraud"]
    told = "".join(spoken.texts)
    assert all(step in told for step in ("停卡", "110", "96110", "验证码", "链接"))


async def test_a_crowd_may_send_representatives(playbook: Playbook) -> None:
    spoken, _ = await keep_safe(
        playbook, say("我们四十个人堵在门口", "complain", CROWD, level=4), memory(), FakeBridge()
    )
    assert spoken.lines == ["utter_safety_crowd"]
    assert len(spoken.texts) == 1
    assert "5名" in spoken.texts[0]


class TestAfterwards:
    BEFORE = replace(
        memory(story(narrative_raw=None, level_peak=4), told=frozenset({"utter_safety_self_harm"}), ticket_no=TICKET),
        form_active=False,
    )

    @pytest.mark.parametrize("message", [DESPAIR, say("没人管我", "complain", level=2), say("嗯", "affirm")])
    async def test_short_words_that_somebody_is_there(self, message: Turn, playbook: Playbook) -> None:
        spoken, _ = await keep_safe(playbook, message, self.BEFORE, bridge := FakeBridge())
        assert spoken.lines == ["utter_stay"]
        assert (bridge.tickets, bridge.kinds) == ([], ["comment"])

    async def test_in_other_words_each_time(self, playbook: Playbook) -> None:
        known, heard = self.BEFORE, []
        for _ in range(4):
            spoken, events = await keep_safe(playbook, say("嗯", "affirm"), known, FakeBridge())
            known = replace(known, told=frozenset(slots_of(events)["told"]))
            heard += spoken.lines
        assert heard == ["utter_stay", "utter_stay_again", "utter_stay_here", "utter_stay"]

    @pytest.mark.parametrize(
        ("told", "line"), [((), "utter_stay_calm"), (("utter_stay_calm",), "utter_stay_calm_again")]
    )
    async def test_whoever_threatened_is_calmed(self, told: tuple[str, ...], line: str, playbook: Playbook) -> None:
        draft = story(narrative_raw=None, level_peak=4, tags=("人身威胁",))
        before = replace(self.BEFORE, draft=draft, told=frozenset({"utter_safety_violence", *told}))
        spoken, _ = await keep_safe(playbook, say("听见没有", "complain", level=2), before, FakeBridge())
        assert spoken.lines == [line]

    async def test_another_danger_alerts_again_in_the_same_ticket(self, playbook: Playbook) -> None:
        threat = say("我要砍了他", "complain", THREAT, level=4)
        spoken, events = await keep_safe(playbook, threat, self.BEFORE, bridge := FakeBridge())
        assert spoken.lines == ["utter_safety_violence"]
        assert ALERT in [part.get("json_message") for part in spoken.said]
        assert (bridge.tickets, bridge.kinds) == ([], ["comment"])
        assert slots_of(events)["told"] == ["utter_safety_self_harm", "utter_safety_violence"]
