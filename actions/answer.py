"""Messages that ask, or that could not be understood: answered from the directory and the approved scripts, never guessed."""

from datetime import datetime, timedelta

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import branch_facts, texts
from actions.bridge import Bridge
from actions.explain import longest_word, render
from actions.questions import asks_for_hours, asks_for_review, asks_for_rights
from actions.situation import World, situation
from actions.tracker import Memory, Turn, read_memory, read_turn
from actions.voice import Voice
from contract.branch import Branch
from contract.playbook import Playbook
from contract.script import Script

_WITHOUT_NAME = "匿名"
_WEEKDAYS = "一二三四五六日"
_DAY_SHIFTS = {"今天": 0, "明天": 1, "后天": 2}
# Other people's matters and where they belong (domain.md 1.3, 1.7); numbers that are not sure are not said.
_ELSEWHERE = {
    "other_bank": "utter_elsewhere_bank",
    "telecom": "utter_elsewhere_telecom",
    "other_company": "utter_elsewhere_company",
}


class ActionAnswer(Action):
    """A question, or a matter of somebody else."""

    def __init__(self, bridge: Bridge, playbook: Playbook) -> None:
        self._bridge = bridge
        self._playbook = playbook

    def name(self) -> str:
        return "action_answer"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, memory = read_turn(tracker), read_memory(tracker)
        world = World(playbook=self._playbook, directory=await self._bridge.directory(turn.branches_version))
        answer_question(Voice(dispatcher, turn.channel), turn, memory, world)
        return []


def answer_question(voice: Voice, turn: Turn, memory: Memory, world: World) -> None:
    """The approved answer; where there is none, it is said so, and in the form the question goes into the ticket."""
    in_form = memory.form_active or memory.draft.narrative_raw is not None
    branch = world.directory.branches.get((turn.branch.code if turn.branch else memory.draft.branch) or "")
    elsewhere = next((span for span in turn.all_spans("cue") if span.value in _ELSEWHERE), None)
    if branch is not None and asks_for_hours(turn.text):
        _tell_hours(voice, turn, branch)
    elif asks_for_rights(turn.text):
        _tell(voice, "X27", turn, memory, world)
        if not in_form and memory.ticket_no is None:
            voice.line("utter_complain_here", choices=texts.START_CHOICES[:1])
    elif asks_for_review(turn.text):
        _tell(voice, "X30", turn, memory, world)
    elif _WITHOUT_NAME in turn.text:
        _tell(voice, "X32", turn, memory, world)
    elif elsewhere is not None and not in_form:
        voice.line(_ELSEWHERE[str(elsewhere.value)], who=elsewhere.text)
    elif (not in_form and _about(turn.text, world.playbook)) or not _tell_course(voice, turn, world, in_form=in_form):
        _tell_matter(voice, turn, memory, world, in_form=in_form)


def _tell_course(voice: Voice, turn: Turn, world: World, *, in_form: bool) -> bool:
    """How long it takes and what comes next; False when that was not asked."""
    if "how_long" in turn.cues and (in_form or "投诉" in turn.text):
        voice.line("utter_how_long", figures=world.playbook.sla.figures_on(turn.now.date()))
        return True
    if "evidence" in turn.cues:
        voice.line("utter_evidence_how")
        return True
    if "what_next" in turn.cues:
        voice.line("utter_what_next")
        return True
    return False


def _tell_matter(voice: Voice, turn: Turn, memory: Memory, world: World, *, in_form: bool) -> None:
    """What the approved scripts say about the matter itself."""
    script = None if in_form else _about(turn.text, world.playbook)
    if in_form:
        voice.line("utter_answer_later")
    elif script is not None:
        _tell(voice, script.id, turn, memory, world)
        voice.line("utter_complain_here", choices=texts.START_CHOICES[:1])
    elif turn.intent == "out_of_scope":
        voice.line("utter_out_of_scope")
    else:
        voice.line("utter_answer_unknown", hotline=world.playbook.organisation.hotline)


def _about(text: str, playbook: Playbook) -> Script | None:
    """The approved words about what is asked, where the question names it; one character ("存") names nothing."""
    best = max(playbook.scripts, key=lambda script: longest_word(script, text))
    return best if longest_word(best, text) > 1 else None


def _tell(voice: Voice, script_id: str, turn: Turn, memory: Memory, world: World) -> None:
    script = world.playbook.script(script_id)
    found = render(script, situation(turn, memory, world)) if script else None
    if found is not None:
        voice.explain(found, feeling=False)


def _tell_hours(voice: Voice, turn: Turn, branch: Branch) -> None:
    """The hours of the day that is asked about; where it has none, that it is closed, and the whole week."""
    day = _day_asked_about(turn)
    if day is not None and not branch_facts.opening_on(branch, day.date()):
        closed, hours = branch_facts.closed_text(branch, day), branch_facts.hours_text(branch, None)
        voice.line("utter_branch_closed", branch_name=branch.name, closed=closed, hours=hours)
        return
    hours = branch_facts.hours_text(branch, day)
    if branch.handover:
        handover = branch_facts.handover_text(branch)
        voice.line("utter_branch_hours_handover", branch_name=branch.name, hours=hours, handover=handover)
    else:
        voice.line("utter_branch_hours", branch_name=branch.name, hours=hours)


def _day_asked_about(turn: Turn) -> datetime | None:
    """ "周六", "明天", "今天"; None for a question about hours in general."""
    for word, shift in _DAY_SHIFTS.items():
        if word in turn.text:
            return turn.now + timedelta(days=shift)
    for number, name in enumerate(_WEEKDAYS, start=1):
        if any(f"{week}{name}" in turn.text for week in ("周", "星期", "礼拜")):
            return turn.now + timedelta(days=(number - turn.now.isoweekday()) % 7)
    if "周末" in turn.text:
        return turn.now + timedelta(days=(6 - turn.now.isoweekday()) % 7)
    return None


class ActionClarify(Action):
    """Not understood: asks like a person, once; the second time in a row a human is offered."""

    def name(self) -> str:
        return "action_clarify"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, memory = read_turn(tracker), read_memory(tracker)
        voice = Voice(dispatcher, turn.channel)
        if memory.clarified:
            voice.line("utter_offer_human", choices=texts.HUMAN_CHOICES[:1])
        else:
            voice.line("utter_clarify", choices=texts.START_CHOICES)
        return [SlotSet("clarified", not memory.clarified)]
