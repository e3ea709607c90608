"""Messages that are no complaint: a question, or something that could not be understood."""

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import texts
from actions.bridge import Bridge
from actions.explain import render
from actions.tracker import Turn, read_memory, read_turn
from actions.voice import Voice
from contract.branch import Branch
from contract.playbook import Playbook
from contract.ticket import TicketDraft
from contract.turn import Choice

_HOURS_WORDS = ("几点", "营业时间", "开门", "关门", "上班", "交班", "换班", "中午", "周末", "周六", "周日", "星期")
RIGHTS_WORDS = ("12378", "12363", "12345", "投诉电话", "监管", "金监局", "银保监")
_CHOICES = (
    Choice(label="我要投诉", payload="start:complaint"),
    Choice(label="查进度", payload="start:progress"),
    Choice(label="转人工", payload="human:yes"),
)


class ActionAnswer(Action):
    """Answers from the branch directory and the approved scripts; anything else is not guessed."""

    def __init__(self, bridge: Bridge, playbook: Playbook) -> None:
        self._bridge = bridge
        self._playbook = playbook

    def name(self) -> str:
        return "action_answer"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, voice = read_turn(tracker), Voice(dispatcher)
        branches = await self._bridge.branches(turn.branches_version)
        branch = branches.get(turn.branch.code) if turn.branch and turn.branch.code else None
        if branch is not None and any(word in turn.text for word in _HOURS_WORDS):
            self._tell_hours(voice, turn, branch)
        elif any(word in turn.text for word in RIGHTS_WORDS):
            self._tell_rights(voice, turn)
        else:
            voice.line("utter_answer_unknown", hotline=self._playbook.organisation.hotline)
        return []

    def _tell_hours(self, voice: Voice, turn: Turn, branch: Branch) -> None:
        slots = texts.situation(turn, TicketDraft(), branch, self._playbook).slots
        if slots.get("handover"):
            voice.line(
                "utter_branch_hours_handover",
                branch_name=slots["branch_name"],
                hours=slots["hours"],
                handover=slots["handover"],
            )
        else:
            voice.line("utter_branch_hours", branch_name=slots["branch_name"], hours=slots["hours"])

    def _tell_rights(self, voice: Voice, turn: Turn) -> None:
        script = self._playbook.script("X27")
        rights = render(script, texts.situation(turn, TicketDraft(), None, self._playbook)) if script else None
        for part in rights.parts[:1] if rights else ():
            voice.say(part)
        voice.line("utter_complain_here", choices=_CHOICES[:1])


class ActionClarify(Action):
    """Not understood: asks like a person, once; the second time in a row a human is offered."""

    def name(self) -> str:
        return "action_clarify"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        memory, voice = read_memory(tracker), Voice(dispatcher)
        if memory.clarified:
            voice.line("utter_offer_human", choices=texts.HUMAN_CHOICES[:1])
        else:
            voice.line("utter_clarify", choices=_CHOICES)
        return [SlotSet("clarified", not memory.clarified)]
