"""The same response twice in a row is never said in the same words."""

import asyncio
from typing import Any, Dict, Iterator, List

import pytest
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker

from bot.state import StateError, TurnState, read_wordings, turn_state
from bot.wordings import Wordings

RESPONSES: Dict[str, List[Dict[str, Any]]] = {
    "utter_two": [{"text": "一"}, {"text": "二"}],
    "utter_three": [{"text": "一"}, {"text": "二"}, {"text": "三"}],
    "utter_spoken": [{"text": "一"}, {"text": "念一", "channel": "hotline"}, {"text": "念二", "channel": "hotline"}],
}


@pytest.fixture
def turn() -> Iterator[TurnState]:
    it = TurnState()
    token = turn_state.set(it)
    yield it
    turn_state.reset(token)


def said(name: str, channel: str = "web") -> str:
    tracker = DialogueStateTracker("c1", Domain.empty().slots)
    found = asyncio.run(Wordings(RESPONSES).generate(name, tracker, channel))
    return str((found or {}).get("text"))


@pytest.mark.parametrize(("name", "channel", "wordings"), [
    ("utter_two", "web", 2),
    ("utter_three", "web", 3),
    ("utter_spoken", "hotline", 2),
])  # fmt: skip
def test_every_wording_comes_before_one_comes_again(turn: TurnState, name: str, channel: str, wordings: int) -> None:
    words = [said(name, channel) for _ in range(2 * wordings)]
    assert len(set(words[:wordings])) == wordings
    assert words[wordings:] == words[:wordings]


def test_responses_do_not_disturb_each_other(turn: TurnState) -> None:
    first = said("utter_two")
    said("utter_three")
    assert said("utter_two") != first


def test_who_has_one_wording_says_it(turn: TurnState) -> None:
    assert [said("utter_spoken"), said("utter_spoken")] == ["一", "一"]


def test_an_unknown_response_is_none(turn: TurnState) -> None:
    assert said("utter_nothing") == "None"
    assert turn.wordings == {}


def test_a_place_from_an_older_model_is_no_error(turn: TurnState) -> None:
    turn.wordings["utter_two"] = 7
    assert said("utter_two") in ("一", "二")


def test_the_places_come_with_the_state() -> None:
    assert read_wordings({"wordings": {"utter_two": 1}}) == {"utter_two": 1}
    assert read_wordings({}) == {}
    for damaged in ([], "x", {"utter_two": "1"}, {"utter_two": True}):
        with pytest.raises(StateError):
            read_wordings({"wordings": damaged})
