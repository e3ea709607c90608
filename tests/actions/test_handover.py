"""A human is wanted: called honestly, and offered once to who is at level 3 outside the form."""

from dataclasses import replace
from typing import Any

import pytest

from actions.handover import ActionHandover, ActionOfferHuman
from actions.tracker import Memory
from contract.playbook import Playbook
from tests.actions.parts import FakeBridge, Spoken, memory, say, slots_of, story, tracker, whole

OUTSIDE = replace(memory(), form_active=False)


@pytest.mark.parametrize(
    ("before", "there", "lines"),
    [
        (OUTSIDE, False, ["utter_human_unavailable", "utter_tell_while_waiting"]),
        (OUTSIDE, True, ["utter_human_available", "utter_tell_while_waiting"]),
        (memory(story(), "branch"), True, ["utter_human_available"]),  # the open question waits
        (memory(), True, ["utter_human_available"]),
        # Nobody is there: the intake goes on, and the question is put again.
        (memory(story(), "branch"), False, ["utter_human_unavailable", "utter_again_branch"]),
        (memory(whole(), "confirm"), False, ["utter_human_unavailable"]),
    ],
)
async def test_a_human_is_called(before: Memory, there: bool, lines: list[str]) -> None:
    spoken, turn = Spoken(), say("人工", "request_human", level=2, human_available=there)
    slots = slots_of(await ActionHandover().run(spoken, tracker(turn, before), {}))
    assert spoken.lines == lines
    assert {"handover": {"reason": "user_request", "alert": False}} in [it.get("json_message") for it in spoken.said]
    assert (slots["callback_wanted"], slots["human_offered"], slots["level_peak"]) == (True, True, 2)
    assert slots["requested_slot"] == before.requested


class TestOffer:
    async def offer(self, playbook: Playbook, before: Memory) -> tuple[Spoken, list[Any]]:
        spoken, turn = Spoken(), say("我要打12378", "complain", level=3)
        return spoken, await ActionOfferHuman(FakeBridge(), playbook).run(spoken, tracker(turn, before), {})

    async def test_once(self, playbook: Playbook) -> None:
        spoken, events = await self.offer(playbook, replace(OUTSIDE, rights_told=True))
        assert (spoken.said, events) == ([], [])

    @pytest.mark.parametrize(("intent", "added"), [("inquire", 1), ("complain", 0)])
    async def test_a_filed_ticket_hears_of_the_level_once(self, intent: str, added: int, playbook: Playbook) -> None:
        """Of a complaint the next action adds the words."""
        turn, bridge = say("找媒体曝光你们行不行", intent, level=3), FakeBridge()
        before = replace(OUTSIDE, ticket_no="TS2026112500018")
        await ActionOfferHuman(bridge, playbook).run(Spoken(), tracker(turn, before), {})
        assert [event["level"] for _, event, _ in bridge.events] == [3] * added

    async def test_rights_first_and_neutrally(self, playbook: Playbook) -> None:
        spoken, events = await self.offer(playbook, OUTSIDE)
        told = "".join(spoken.texts)
        assert all(fact in told for fact in ("12378", "12363", "权利"))
        assert (spoken.lines, spoken.buttons) == (["utter_offer_human"], ["human:yes", "human:no"])
        slots = slots_of(events)
        assert (slots["rights_told"], slots["human_offered"], slots["level_peak"]) == (True, True, 3)
        assert slots["script_ids_used"] == ["X27@1"]
