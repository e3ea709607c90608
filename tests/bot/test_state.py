"""State in, state out: what travels with the bridge, and that nothing else does."""

import asyncio
import json
from typing import Any, Dict, List

import pytest
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, ActiveLoop, BotUttered, Event, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from bot.state import (
    VERSION,
    RequestStateStore,
    StateError,
    TurnState,
    read_state,
    turn_state,
    write_state,
)
from tests.bot.conftest import Conversation, turn_body
from tests.bot.scripted.actions import ScriptedActions, answer, slot

WORDS = "我在城东支行等了一个小时"
EMPTY: Dict[str, Any] = {"v": VERSION, "slots": {}, "before": {}, "loop": None, "events": []}


def tracker_of(domain: Domain, *events: Event) -> DialogueStateTracker:
    tracker = DialogueStateTracker("c1", domain.slots)
    for event in events:
        tracker.update(event, domain)
    return tracker


def view(tracker: DialogueStateTracker, domain: Domain) -> List[Dict[str, Any]]:
    """What the policies look at: they take the intent for a message, never its text."""
    states = tracker.past_states(domain)
    return [{part: {**facts, "text": None} for part, facts in state.items()} for state in states]


def heard(intent: str) -> UserUttered:
    return UserUttered(WORDS, intent={"name": intent, "confidence": 0.9}, entities=[{"entity": "branch", "value": "x"}])


def a_turn(intent: str = "complain") -> List[Event]:
    return [ActionExecuted("action_listen"), heard(intent), ActionExecuted("complaint_form")]


def test_slots_form_and_policy_view_survive_the_round_trip(domain: Domain) -> None:
    before = tracker_of(
        domain,
        *a_turn(),
        ActiveLoop("complaint_form"),
        SlotSet("requested_slot", "phone"),
        SlotSet("tries", {"phone": 1}),
        SlotSet("ticket_no", "TS1"),
        ActionExecuted("action_listen"),
    )

    after = read_state(json.loads(json.dumps(write_state(before))), "c1", domain)

    assert after.current_slot_values() == before.current_slot_values()
    assert after.active_loop_name == "complaint_form"
    assert after.latest_action_name == "action_listen"
    assert view(after, domain) == view(before, domain)
    assert write_state(after) == write_state(before)


def test_the_policies_see_the_same_after_every_one_of_many_turns(domain: Domain) -> None:
    """Cut off or not, what rules and memoization look at is the same as in one long conversation."""
    whole = tracker_of(domain)
    state = EMPTY
    for turn in range(40):
        tracker = read_state(state, "c1", domain)
        for it in (whole, tracker):
            for event in [
                *a_turn("complain" if turn % 2 else "inform"),
                ActiveLoop("complaint_form" if turn % 3 else None),
                SlotSet("ticket_no", f"TS{turn}" if turn % 5 else None),
            ]:
                it.update(event, domain)
        assert tracker.active_loop_name == whole.active_loop_name
        assert view(tracker, domain)[-5:] == view(whole, domain)[-5:]
        state = write_state(tracker)


def test_the_state_does_not_grow_with_the_conversation(domain: Domain) -> None:
    state, sizes = EMPTY, []
    for _ in range(200):
        tracker = read_state(state, "c1", domain)
        tracker.update_with_events([*a_turn(), SlotSet("tries", {"phone": 1})], domain)
        state = write_state(tracker)
        sizes.append(len(json.dumps(state)))

    assert len(state["events"]) == 40
    assert sizes[-1] == sizes[50]
    assert sizes[-1] < 20_000


def test_what_was_cut_off_still_holds(domain: Domain) -> None:
    early = [ActiveLoop("progress_form"), SlotSet("ticket_no", "TS1")]
    tracker = tracker_of(domain, *early, *(event for _ in range(30) for event in a_turn("inform")))

    state = write_state(tracker)
    again = read_state(state, "c1", domain)

    assert state["loop"] == "progress_form"
    assert state["before"] == {"ticket_no": "TS1"}
    assert again.active_loop_name == "progress_form"
    assert again.get_slot("ticket_no") == "TS1"


def test_no_event_carries_the_customers_words(domain: Domain) -> None:
    said = BotUttered("我听到您说：" + WORDS, metadata={"quote": WORDS})
    tracker = tracker_of(domain, *a_turn(), said, SlotSet("customer_quote", "要道歉"))

    state = write_state(tracker)

    assert WORDS not in json.dumps(state, ensure_ascii=False)
    assert state["slots"]["customer_quote"] == "要道歉"


def test_slots_without_a_value_are_left_out(domain: Domain) -> None:
    tracker = tracker_of(domain, SlotSet("phone", "<PHONE_1>"), SlotSet("phone", None))

    assert write_state(tracker)["slots"] == {}


@pytest.mark.parametrize("value", [False, 0, "", []])
def test_a_slot_that_says_no_is_not_a_slot_without_a_value(domain: Domain, value: Any) -> None:
    state = write_state(tracker_of(domain, SlotSet("accepted_explanation", value)))

    assert read_state(state, "c1", domain).get_slot("accepted_explanation") == value


def test_what_a_newer_model_does_not_know_is_left_out(domain: Domain) -> None:
    state = {
        **EMPTY,
        "slots": {"gone": 1, "phone": "<PHONE_1>"},
        "before": {"gone": 1},
        "loop": "gone_form",
        "events": [["l", "gone_form"], ["s", "gone", 1], ["u", "gone_intent"], ["a", "action_listen"], ["x", "later"]],
    }

    tracker = read_state(state, "c1", domain)

    assert tracker.get_slot("phone") == "<PHONE_1>"
    assert "gone" not in tracker.slots
    assert tracker.active_loop_name is None
    assert tracker.latest_action_name == "action_listen"


@pytest.mark.parametrize(
    ("version", "named"), [(None, "NoneType"), (0, "0"), (VERSION + 1, str(VERSION + 1)), ("机密", "str")]
)
def test_another_version_is_refused_by_number(domain: Domain, version: Any, named: str) -> None:
    with pytest.raises(StateError, match=f"^state version {named}, this bot reads {VERSION}$"):
        read_state({**EMPTY, "v": version}, "c1", domain)


@pytest.mark.parametrize(
    "damage",
    [
        {"slots": None},
        {"slots": ["phone"]},
        {"before": 3},
        {"events": None},
        {"events": {"a": 1}},
        {"events": [[]]},
        {"events": [["a"]]},
        {"events": [["s", "ticket_no"]]},
        {"events": ["a"]},
        {"events": [7]},
    ],
)
def test_garbage_is_refused_in_one_way(domain: Domain, damage: Dict[str, Any]) -> None:
    with pytest.raises(StateError):
        read_state({**EMPTY, **damage}, "c1", domain)


@pytest.mark.parametrize("part", ["slots", "before", "loop", "events"])
def test_a_missing_part_is_garbage(domain: Domain, part: str) -> None:
    with pytest.raises(StateError):
        read_state({name: value for name, value in EMPTY.items() if name != part}, "c1", domain)


async def test_the_store_holds_nothing_outside_a_turn(domain: Domain) -> None:
    store = RequestStateStore(domain)

    with pytest.raises(LookupError):
        await store.retrieve("c1")
    with pytest.raises(LookupError):
        await store.save(tracker_of(domain))


async def test_a_conversation_without_a_state_is_new(domain: Domain) -> None:
    token = turn_state.set(TurnState(given=None))
    try:
        assert await RequestStateStore(domain).retrieve("c1") is None
    finally:
        turn_state.reset(token)


async def test_the_same_request_twice_gives_the_same_answer(conversation: Conversation) -> None:
    await conversation.say("complain 1 C03 | 等了一个小时")
    body = {**turn_body("inform | 昨天中午"), "state": conversation.state}

    first, second = await conversation.post(body), await conversation.post(body)

    assert first.body == second.body


async def test_nothing_is_kept_between_calls(conversation: Conversation) -> None:
    """The same conversation id without a state is a new conversation: whatever was said before came with the state."""
    told = await conversation.say("complain 1 C03 | 等了一个小时")
    fresh = await conversation.post(turn_body("greet | 您好"))

    assert told.slots["narrative_raw"]
    assert fresh.slots == {"level": 0}
    assert fresh.form is None


async def test_conversations_side_by_side_do_not_mix(conversation: Conversation, actions: ScriptedActions) -> None:
    def echo(call: Dict[str, Any]) -> Dict[str, Any]:
        said = call["tracker"]["latest_message"]["text"].rpartition(" ")[2]
        known = [*(call["tracker"]["slots"].get("asked") or ()), said]
        return answer(said, slot("asked", known), slot("requested_slot", "phone"))

    actions.script("validate_complaint_form", echo)
    actions.delay = 0.02

    async def talk(name: str) -> List[str]:
        mine = Conversation(conversation._client)
        for turn in range(4):
            answered = await mine.say(f"complain 0 C01 | {name}{turn}", conversation_id=name)
            assert answered.texts == [f"{name}{turn}"]
        return list(answered.slots["asked"])

    heard_by = await asyncio.gather(*(talk(f"客户{number}-") for number in range(8)))

    assert heard_by == [[f"客户{number}-{turn}" for turn in range(4)] for number in range(8)]


async def test_a_state_of_another_version_fails_the_turn(conversation: Conversation) -> None:
    turn = await conversation.post({**turn_body("greet | 您好"), "state": {"v": 99}})

    assert turn.status == 503
    assert "state" not in turn.body
