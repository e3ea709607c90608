"""The conversation between two turns, as JSON that the bridge keeps: Rasa's tracker store around one request.

Nothing is kept here. The channel puts the state it was given into a context variable, Rasa reads the tracker from it and
writes the new state back. A retried turn therefore starts from the same state, and interleaved conversations cannot mix.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Deque, Dict, List, Optional, Tuple

from rasa.core.tracker_store import TrackerStore
from rasa.shared.core.constants import ACTION_SESSION_START_NAME, SESSION_START_METADATA_SLOT
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, ActiveLoop, Event, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

VERSION = 1
# Rules look back over one turn (about five events), stories over three predictions; more would only cost time.
_KEPT_EVENTS = 40

_ACTION, _USER, _LOOP, _SLOT = "a", "u", "l", "s"


class StateError(Exception):
    """The state was not written by this version of the bot. `str()` says why, without a value."""


@dataclass
class TurnState:
    """One request's view: the state that came in, and what Rasa made of it.

    `wordings`: which wording of each response was said last, by its place (bot/wordings.py).
    """

    given: Optional[Mapping[str, Any]] = None
    wordings: Dict[str, int] = field(default_factory=dict)
    saved: Optional[Dict[str, Any]] = None
    understanding: Optional[Mapping[str, Any]] = None


turn_state: ContextVar[TurnState] = ContextVar("turn_state")


class RequestStateStore(TrackerStore):
    """Rasa's tracker store over `turn_state`. Without a turn around it every call raises LookupError."""

    def __init__(self, domain: Optional[Domain] = None, **kwargs: Any) -> None:
        super().__init__(domain, None)

    async def retrieve(self, sender_id: str) -> Optional[DialogueStateTracker]:
        """The tracker of this request's conversation; None when it is new."""
        turn = turn_state.get()
        if turn.given is None:
            return None
        tracker = read_state(turn.given, sender_id, self.domain)
        turn.wordings = read_wordings(turn.given)
        return tracker

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Puts the new state where the channel finds it."""
        turn = turn_state.get()
        turn.saved = {**write_state(tracker), "wordings": turn.wordings}
        if tracker.latest_message is not None:
            turn.understanding = tracker.latest_message.parse_data.get("understanding")


def write_state(tracker: DialogueStateTracker) -> Dict[str, Any]:
    """Slots, the form and the last events, without any text of an event: words live in slots alone."""
    steering = {slot.name for slot in tracker.slots.values() if slot.influence_conversation}
    entries: Deque[List[Any]] = deque(_compact(tracker.events, steering))
    loop: Optional[str] = None
    before: Dict[str, Any] = {}
    while len(entries) > _KEPT_EVENTS:
        kind, *rest = entries.popleft()
        if kind == _LOOP:
            loop = rest[0]
        elif kind == _SLOT:
            before[rest[0]] = rest[1]
    slots = {name: slot.value for name, slot in tracker.slots.items() if slot.value is not None}
    slots.pop(SESSION_START_METADATA_SLOT, None)
    return {"v": VERSION, "slots": slots, "before": before, "loop": loop, "events": list(entries)}


def _compact(events: Iterable[Event], steering: AbstractSet[str]) -> Iterator[List[Any]]:
    """What policies look at. Slots that do not steer the dialogue have no history, only a value."""
    for event in events:
        if isinstance(event, ActionExecuted) and event.action_name != ACTION_SESSION_START_NAME:
            yield [_ACTION, event.action_name]
        elif isinstance(event, UserUttered):
            yield [_USER, event.intent_name]
        elif isinstance(event, ActiveLoop):
            yield [_LOOP, event.name]
        elif isinstance(event, SlotSet) and event.key in steering:
            yield [_SLOT, event.key, event.value]


def read_state(state: Mapping[str, Any], sender_id: str, domain: Domain) -> DialogueStateTracker:
    """The tracker that `write_state` described. What a newer model no longer knows is left out. Raises StateError."""
    version = state.get("v")
    if version != VERSION:
        known = version if isinstance(version, int) else type(version).__name__
        raise StateError(f"state version {known}, this bot reads {VERSION}")
    try:
        events = list(_events(state, domain))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise StateError(f"damaged state, {type(error).__name__}") from error
    tracker = DialogueStateTracker(sender_id, domain.slots)
    tracker.update_with_events(events, domain)
    return tracker


def read_wordings(state: Mapping[str, Any]) -> Dict[str, int]:
    """The places of the wordings said last; a state from before they were kept has none. Raises StateError."""
    places = state.get("wordings", {})
    if not isinstance(places, dict) or not all(type(place) is int for place in places.values()):
        raise StateError("damaged state, wordings")
    return dict(places)


def _events(state: Mapping[str, Any], domain: Domain) -> Iterator[Event]:
    steering = {slot.name: slot.influence_conversation for slot in domain.slots}
    for name, value in state["slots"].items():
        if steering.get(name) is False:
            yield SlotSet(name, value)
    for name, value in state["before"].items():
        if name in steering:
            yield SlotSet(name, value)
    if state["loop"] in domain.form_names:
        yield ActiveLoop(state["loop"])
    for entry in state["events"]:
        event = _event(tuple(entry), domain, steering)
        if event is not None:
            yield event


def _event(entry: Tuple[Any, ...], domain: Domain, steering: Mapping[str, bool]) -> Optional[Event]:
    kind, *rest = entry
    if kind == _ACTION:
        return ActionExecuted(rest[0])
    if kind == _USER:
        return UserUttered("", intent={"name": rest[0], "confidence": 1.0})
    if kind == _LOOP and (rest[0] is None or rest[0] in domain.form_names):
        return ActiveLoop(rest[0])
    if kind == _SLOT and rest[0] in steering:
        return SlotSet(rest[0], rest[1])
    return None
