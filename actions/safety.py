"""Level 4: one line that keeps people safe, the duty manager paged, an urgent ticket filed; no script, no question."""

from dataclasses import replace

from rasa_sdk import Action, Tracker
from rasa_sdk.events import ActiveLoop, EventType
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions.absorb import absorb
from actions.afterwards import add_words
from actions.bridge import Bridge
from actions.explain import render
from actions.situation import World, situation
from actions.submit import after_filing, file
from actions.tracker import Memory, Turn, memory_events, read_memory, read_turn
from actions.voice import Voice
from contract.playbook import Playbook

_DANGER = 4
# The tag (bot/nlu) that decides which line is said, the most urgent first.
_LINES = {
    "自伤": "utter_safety_self_harm",
    "人身威胁": "utter_safety_violence",
    "资金正在被骗": "utter_safety_fraud",
    "人身伤害": "utter_safety_injury",
    "群体": "utter_safety_crowd",
}

# What the kind of danger gives besides: how the money is stopped, who may speak for a crowd (3号令 art 12).
_SCRIPTS = {"utter_safety_fraud": "X25", "utter_safety_crowd": "X28"}
_STOP_PAYMENT = "X25"
_THREAT = "人身威胁"
_STAY = ("utter_stay", "utter_stay_again", "utter_stay_here")
_STAY_CALM = ("utter_stay_calm", "utter_stay_calm_again")
_SAID = frozenset({*_LINES.values(), "utter_safety"})


class ActionSafety(Action):
    """Ends whatever was going on. Said once per kind of danger; afterwards short words that somebody is there."""

    def __init__(self, bridge: Bridge, playbook: Playbook) -> None:
        self._bridge = bridge
        self._playbook = playbook

    def name(self) -> str:
        return "action_safety"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, before = read_turn(tracker), read_memory(tracker)
        voice = Voice(dispatcher, turn.channel)
        line = line_for(turn)
        memory = absorb(replace(before, requested=None), turn)
        # The peak says nothing here: the policy has raised it for this very message.
        urgent = before.ticket_no if before.told & _SAID else None
        # Whatever is said after the urgent ticket was filed belongs to it.
        added = urgent is not None and await add_words(self._bridge, turn, urgent) is not None
        if turn.level < _DANGER or line in before.told:
            threat = _THREAT in memory.draft.tags or _THREAT in before.draft.tags
            told = _stay(voice, before.told, threat=threat)
            return [*memory_events(before, replace(memory, requested=None, told=told)), ActiveLoop(None)]
        world = World(playbook=self._playbook, directory=await self._bridge.directory(turn.branches_version))
        voice.line(line)
        if (script := _SCRIPTS.get(line)) is not None:
            _tell(voice, script, turn, memory, world)
        voice.handover("level", alert=True)
        memory = memory if added else after_filing(memory, await file(self._bridge, turn, memory, world))
        events = memory_events(before, replace(memory, requested=None, told=memory.told | before.told | {line}))
        return [*events, ActiveLoop(None)]


def _stay(voice: Voice, told: frozenset[str], *, threat: bool) -> frozenset[str]:
    """Somebody is there: in other words than the last time. Returns what was told."""
    lines = _STAY_CALM if threat else _STAY
    last = next((lines.index(line) for line in lines if line in told), -1)
    line = lines[(last + 1) % len(lines)]
    voice.line(line)
    return (told - set(lines)) | {line}


def line_for(turn: Turn) -> str:
    """The line for the danger in this message; without a recognised kind the one that fits all."""
    tags = {str(span.best) for span in turn.all_spans("tag")}
    return next((line for tag, line in _LINES.items() if tag in tags), "utter_safety")


def _tell(voice: Voice, script_id: str, turn: Turn, memory: Memory, world: World) -> None:
    """What must be done now; nobody in danger is comforted with phrases or asked."""
    script = world.playbook.script(script_id)
    found = render(script, situation(turn, memory, world)) if script else None
    if found is not None:
        voice.explain(found, short=script_id != _STOP_PAYMENT, feeling=False)
