"""Level 4: one line that keeps people safe, the duty manager paged, an urgent ticket filed; no script, no question."""

from dataclasses import replace

from rasa_sdk import Action, Tracker
from rasa_sdk.events import ActiveLoop, EventType
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions.absorb import absorb
from actions.bridge import Bridge
from actions.submit import add_words, after_filing, file
from actions.tracker import Memory, Turn, memory_events, read_memory, read_turn
from actions.voice import Voice

_DANGER = 4
# The tag (bot/nlu) that decides which line is said, the most urgent first.
_LINES = {
    "自伤": "utter_safety_self_harm",
    "人身威胁": "utter_safety_violence",
    "资金正在被骗": "utter_safety_fraud",
    "人身伤害": "utter_safety_injury",
    "群体": "utter_safety_crowd",
}


class ActionSafety(Action):
    """Ends whatever was going on. Said once per kind of danger; afterwards short words that somebody is there."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def name(self) -> str:
        return "action_safety"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, before = read_turn(tracker), read_memory(tracker)
        voice = Voice(dispatcher)
        line = line_for(turn)
        memory = absorb(replace(before, requested=None), turn)
        urgent = before.ticket_no if before.draft.level_peak >= _DANGER else None
        # Whatever is said after the urgent ticket was filed belongs to it.
        added = urgent is not None and await add_words(self._bridge, turn, urgent)
        if turn.level < _DANGER or line in before.asked:
            voice.line("utter_stay")
            return [*memory_events(before, replace(memory, requested=None)), ActiveLoop(None)]
        voice.line(line)
        voice.handover("level", alert=True)
        memory = memory if added else await self._file(turn, memory)
        events = memory_events(before, replace(memory, requested=None, asked=(*memory.asked, line)))
        return [*events, ActiveLoop(None)]

    async def _file(self, turn: Turn, memory: Memory) -> Memory:
        filed = await file(self._bridge, turn, memory)
        return after_filing(memory, filed)


def line_for(turn: Turn) -> str:
    """The line for the danger in this message; without a recognised kind the one that fits all."""
    tags = {str(span.best) for span in turn.all_spans("tag")}
    return next((line for tag, line in _LINES.items() if tag in tags), "utter_safety")
