"""A human is wanted: asked for, offered, or needed."""

from dataclasses import replace

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import fields, texts
from actions.absorb import absorb
from actions.afterwards import add_words
from actions.bridge import Bridge
from actions.explain import render
from actions.situation import World, situation
from actions.tracker import memory_events, read_memory, read_turn
from actions.voice import Voice
from contract.playbook import Playbook

# "转人工" and the like; what is longer tells something.
_ORDER = 16
# What the next action takes up, and adds to the ticket itself (bot/policies/escalation.py).
_GOES_ON = frozenset({"complain", "inform", "correct", "query_progress", "withdraw"})


class ActionHandover(Action):
    """人工: asks the bridge for a human, and says honestly whether one is there."""

    def name(self) -> str:
        return "action_handover"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, before = read_turn(tracker), read_memory(tracker)
        voice = Voice(dispatcher, turn.channel)
        voice.line("utter_human_available" if turn.human_available else "utter_human_unavailable")
        voice.handover("user_request")
        # Who tells the story and wants a person in one breath is not asked for it again.
        told = absorb(before, turn) if len(turn.text) > _ORDER else before
        draft = told.draft.model_copy(
            update={"callback_wanted": True, "level_peak": max(told.draft.level_peak, turn.level)}
        )
        if not before.form_active and draft.narrative_raw is None:
            voice.line("utter_tell_while_waiting", asks="narrative")
        elif before.form_active and not turn.human_available and before.requested in fields.LABELS:
            field = before.requested
            voice.line(f"utter_again_{field}", asks=fields.as_asks(field or ""))
        return memory_events(before, replace(told, draft=draft, human_offered=True))


class ActionOfferHuman(Action):
    """Level 3 outside the form: the customer's rights, neutrally, and a human; a filed ticket hears of the level."""

    def __init__(self, bridge: Bridge, playbook: Playbook) -> None:
        self._bridge = bridge
        self._playbook = playbook

    def name(self) -> str:
        return "action_offer_human"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, before = read_turn(tracker), read_memory(tracker)
        if before.rights_told:
            return []
        voice = Voice(dispatcher, turn.channel)
        if before.ticket_no is not None and turn.intent not in _GOES_ON:
            await add_words(self._bridge, turn, before.ticket_no)
        world = World(playbook=self._playbook, directory=await self._bridge.directory(turn.branches_version))
        script = self._playbook.script("X27")
        rights = render(script, situation(turn, before, world)) if script else None
        if rights is not None:
            voice.explain(rights)
        voice.line("utter_offer_human", choices=texts.HUMAN_CHOICES)
        used = (*before.draft.script_ids_used, *([rights.label] if rights else []))
        draft = before.draft.model_copy(
            update={"script_ids_used": used, "level_peak": max(before.draft.level_peak, turn.level)}
        )
        return memory_events(before, replace(before, draft=draft, rights_told=True, human_offered=True))
