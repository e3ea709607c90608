"""After filing: more words, corrections, evidence, another matter. Number and conversation are known, nothing is asked."""

from dataclasses import replace
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, FollowupAction
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import texts
from actions.absorb import absorb, is_correction
from actions.answer import answer_question
from actions.bridge import Bridge, Progress
from actions.questions import asks_for_rights
from actions.situation import World
from actions.submit import file
from actions.tracker import Memory, Turn, memory_events, read_memory, read_turn
from actions.voice import Voice
from contract.playbook import Playbook
from contract.ticket import TicketDraft

# What the ticket takes as a fact of its own, and what may be put right in it.
_FACTS = ("branch", "branch_name", "event_time", "event_time_text", "product", "amount", "request", "staff_described")
_CORRECTABLE = (
    "branch",
    "branch_name",
    "event_time",
    "event_time_text",
    "product",
    "amount",
    "request",
    "name",
    "phone",
)
_TELLS = frozenset({"complain", "query_progress", "inform"})
_DANGER = 4
_SURE_CAUSE, _STORY = 0.6, 25


class ActionSupplement(Action):
    """More words after filing: added to the ticket; a different matter starts a form of its own."""

    def __init__(self, bridge: Bridge, playbook: Playbook) -> None:
        self._bridge = bridge
        self._playbook = playbook

    def name(self) -> str:
        return "action_supplement"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, memory = read_turn(tracker), read_memory(tracker)
        if memory.ticket_no is None or is_another_matter(turn, memory):
            return [FollowupAction("complaint_form")]
        voice = Voice(dispatcher, turn.channel)
        if asks_for_rights(turn.text):
            answer_question(voice, turn, memory, await self._world(turn))
            return []
        if _is_told_again(turn, memory):
            return await self._tell_again(voice, turn, memory)
        corrected = _corrections(turn, memory)
        if corrected:
            done = await self._add(turn, memory.ticket_no, {"type": "correct", "fields": corrected})
            if done is not None:
                await add_words(self._bridge, turn, memory.ticket_no)
                voice.line("utter_corrected_ticket", ticket_no=memory.ticket_no)
                return memory_events(memory, _heated(memory, turn))
        added = await add_words(self._bridge, turn, memory.ticket_no)
        if added is None:
            return [FollowupAction("complaint_form")]
        _tell(voice, turn, added)
        return memory_events(memory, _heated(memory, turn))

    async def _tell_again(self, voice: Voice, turn: Turn, memory: Memory) -> list[EventType]:
        """The same matter as a complaint of its own: the bridge joins it to the running ticket (合并处理)."""
        told = absorb(replace(memory, requested=None), turn)
        same = {"cause_l1": memory.ticket_cause, "cause_l2": None, "phone": memory.ticket_phone_tail}
        draft = told.draft.model_copy(update=same)
        filed = await file(self._bridge, turn, replace(told, draft=draft), await self._world(turn))
        response = (
            "utter_merged_restarted" if filed.clock_restarted else "utter_merged" if filed.merged else "utter_filed"
        )
        voice.line(response, ticket_no=filed.ticket_no)
        after = replace(_heated(memory, turn), form_run=memory.form_run + 1, ticket_no=filed.ticket_no)
        return memory_events(memory, after)

    async def _world(self, turn: Turn) -> World:
        return World(playbook=self._playbook, directory=await self._bridge.directory(turn.branches_version))

    async def _add(self, turn: Turn, ticket_no: str, event: dict[str, Any]) -> Progress | None:
        return await self._bridge.add_event(ticket_no, event, f"{_key(turn, ticket_no)}:{event['type']}")


def _is_told_again(turn: Turn, memory: Memory) -> bool:
    """ "我还是要投诉这件事": joined by the phone, so without one it is added as words."""
    return "again" in turn.cues and turn.intent in _TELLS and memory.ticket_phone_tail is not None


def is_another_matter(turn: Turn, memory: Memory) -> bool:
    """Whether the message is about another cause or another branch than the filed ticket (merging, domain.md 1.1)."""
    if "second_matter" in turn.cues:
        return True
    # Who is in the middle of an emergency tells more of it.
    if memory.draft.level_peak >= _DANGER:
        return False
    if turn.intent != "complain" or turn.cues & {"addition", "evidence", "again"}:
        return False
    best, branch = turn.causes[0] if turn.causes else None, turn.branch
    if branch is not None and memory.ticket_branch not in (None, branch.code, branch.name):
        return True
    other_cause = best is not None and best.code not in ("C99", memory.ticket_cause) and best.confidence >= _SURE_CAUSE
    # Another cause without a time or place of its own is one more detail of the same visit.
    own_story = branch is not None or turn.span("time") is not None or len(turn.text) >= _STORY
    return other_cause and own_story


async def add_words(bridge: Bridge, turn: Turn, ticket_no: str) -> Progress | None:
    """Adds the message to the ticket, once however often the turn is tried; None when the ticket takes no more."""
    event: dict[str, Any] = {"type": "comment", "text": turn.text, "from_customer": True}
    if facts := _facts(turn, _FACTS):
        event["facts"] = facts
    # Proof that was found sounds like a threat to the model ("我找到录音了"); of danger we would rather hear twice.
    if turn.level and ("evidence" not in turn.cues or turn.level >= _DANGER):
        event["level"] = turn.level
    for cue in ("evidence", "callback"):
        if cue in turn.cues:
            event[cue] = True
    return await bridge.add_event(ticket_no, event, _key(turn, ticket_no))


def _corrections(turn: Turn, memory: Memory) -> dict[str, str | None]:
    """The facts that this message puts right; none when it puts nothing right."""
    puts_right = is_correction(turn) or memory.correcting or turn.cue_field("change") is not None
    found: dict[str, str | None] = dict(_facts(turn, _CORRECTABLE)) if puts_right else {}
    # An old code beside a new name would be two branches.
    if "branch_name" in found:
        found.setdefault("branch", None)
    if "event_time_text" in found:
        found.setdefault("event_time", None)
    return found


def _facts(turn: Turn, names: tuple[str, ...]) -> dict[str, str]:
    heard = absorb(Memory(draft=TicketDraft(), requested=None, form_active=False), replace(turn, intent="inform")).draft
    values = heard.model_dump(mode="json", include=set(names), exclude_none=True)
    return {name: str(value) for name, value in values.items()}


def _tell(voice: Voice, turn: Turn, added: Progress) -> None:
    # On the first day the time has only just begun: nothing to tell.
    if added.clock_restarted and added.due_at is not None and added.days != 1:
        voice.line("utter_restarted", ticket_no=added.ticket_no, next_date=texts.day_text(added.due_at))
    elif "evidence" in turn.cues:
        voice.line("utter_evidence_noted", ticket_no=added.ticket_no)
    elif "callback" in turn.cues:
        voice.line("utter_callback_noted", ticket_no=added.ticket_no)
    else:
        voice.line("utter_supplemented", ticket_no=added.ticket_no)


def _heated(memory: Memory, turn: Turn) -> Memory:
    draft = memory.draft.model_copy(update={"level_peak": max(memory.draft.level_peak, turn.level)})
    return replace(memory, draft=draft, correcting=False)


def _key(turn: Turn, ticket_no: str) -> str:
    return f"{turn.conversation_id}:{ticket_no}:{turn.now.isoformat()}"
