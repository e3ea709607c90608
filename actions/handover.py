"""A human is wanted: asked for, offered, or needed."""

from dataclasses import replace

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import texts
from actions.explain import render
from actions.tracker import memory_events, read_memory, read_turn
from actions.voice import Voice
from contract.playbook import Playbook


class ActionHandover(Action):
    """人工: asks the bridge for a human, and says honestly whether one is there."""

    def name(self) -> str:
        return "action_handover"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, before = read_turn(tracker), read_memory(tracker)
        voice = Voice(dispatcher)
        voice.line("utter_human_available" if turn.human_available else "utter_human_unavailable")
        voice.handover("user_request")
        draft = before.draft.model_copy(
            update={"callback_wanted": True, "level_peak": max(before.draft.level_peak, turn.level)}
        )
        if not before.form_active and draft.narrative_raw is None:
            voice.line("utter_tell_while_waiting", asks="narrative")
        return memory_events(before, replace(before, draft=draft, human_offered=True))


class ActionOfferHuman(Action):
    """Level 3 outside the form: the customer's rights, neutrally, and a human."""

    def __init__(self, playbook: Playbook) -> None:
        self._playbook = playbook

    def name(self) -> str:
        return "action_offer_human"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, before = read_turn(tracker), read_memory(tracker)
        if before.rights_told:
            return []
        voice = Voice(dispatcher)
        script = self._playbook.script("X27")
        rights = render(script, texts.situation(turn, before.draft, None, self._playbook)) if script else None
        for part in rights.parts if rights else ():
            voice.say(part)
        voice.line("utter_offer_human", choices=texts.HUMAN_CHOICES)
        used = (*before.draft.script_ids_used, *([rights.label] if rights else []))
        draft = before.draft.model_copy(
            update={"script_ids_used": used, "level_peak": max(before.draft.level_peak, turn.level)}
        )
        return memory_events(before, replace(before, draft=draft, rights_told=True, human_offered=True))
