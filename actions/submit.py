"""Files the confirmed complaint, and adds to it afterwards."""

from dataclasses import replace

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import texts
from actions.bridge import Bridge, FiledTicket
from actions.tracker import Memory, Turn, memory_events, read_memory, read_turn
from actions.voice import Voice
from contract.ticket import Channel, TicketCreate, TicketDraft
from contract.turn import Card, CardField

# What stays when a complaint is filed: nobody is asked twice who they are.
_KEPT = ("name", "phone", "level_peak", "tags", "special_group")


class ActionSubmitComplaint(Action):
    """Runs when the form has ended; files only what the customer has confirmed."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def name(self) -> str:
        return "action_submit_complaint"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, before = read_turn(tracker), read_memory(tracker)
        if "confirmed" not in before.asked:
            return []
        filed = await file(self._bridge, turn, before)
        _tell(Voice(dispatcher), filed, has_phone=before.draft.phone is not None)
        return memory_events(before, after_filing(before, filed))


class ActionSupplement(Action):
    """More words after filing: added to the ticket; a different matter starts a form of its own."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def name(self) -> str:
        return "action_supplement"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, memory = read_turn(tracker), read_memory(tracker)
        if memory.ticket_no is None or is_another_matter(turn, memory):
            return [FollowupAction("complaint_form")]
        if not await add_words(self._bridge, turn, memory.ticket_no):
            return [FollowupAction("complaint_form")]
        Voice(dispatcher).line("utter_supplemented", ticket_no=memory.ticket_no)
        return [SlotSet("level_peak", max(memory.draft.level_peak, turn.level))]


def is_another_matter(turn: Turn, memory: Memory) -> bool:
    """Whether the message is about another cause or another branch than the filed ticket (merging, domain.md 1.1)."""
    best = turn.causes[0] if turn.causes else None
    other_cause = best is not None and best.code not in ("C99", memory.ticket_cause) and best.confidence >= 0.6
    branch = turn.branch
    other_branch = branch is not None and memory.ticket_branch not in (None, branch.code, branch.name)
    return other_cause or other_branch


async def add_words(bridge: Bridge, turn: Turn, ticket_no: str) -> bool:
    """Adds the message to the ticket, once however often the turn is tried; False when the ticket takes no more."""
    event = {"type": "comment", "text": turn.text, "from_customer": True}
    return await bridge.add_event(ticket_no, event, f"{turn.conversation_id}:{ticket_no}:{turn.now.isoformat()}")


async def file(bridge: Bridge, turn: Turn, memory: Memory) -> FiledTicket:
    """Files the draft once per form run of the conversation, however often the turn is tried."""
    draft = memory.draft
    body = draft.model_dump() | {
        "summary": draft.summary or _summary(draft),
        # The level does not fall because the last message was a button.
        "level": draft.level_peak,
        "conversation_id": turn.conversation_id,
        "intake_channel": Channel(turn.channel),
        "created_at": turn.now,
    }
    return await bridge.file_ticket(TicketCreate.model_validate(body), f"{turn.conversation_id}:{memory.form_run}")


def after_filing(memory: Memory, filed: FiledTicket) -> Memory:
    """The memory for what comes next: the ticket is known, the form is empty."""
    draft = memory.draft
    kept = {name: getattr(draft, name) for name in _KEPT}
    return replace(
        memory,
        draft=TicketDraft.model_validate(kept),
        requested=None,
        form_run=memory.form_run + 1,
        tries={},
        skipped=frozenset(),
        asked=(),
        clarified=False,
        ticket_no=filed.ticket_no,
        ticket_cause=draft.cause_l1,
        ticket_branch=draft.branch or draft.branch_name,
        # A placeholder (`<PHONE_1>`): only the bridge knows the digits behind it.
        ticket_phone_tail=draft.phone,
    )


def _tell(voice: Voice, filed: FiledTicket, *, has_phone: bool) -> None:
    lines = [CardField(name="ticket_no", label="工单号", value=filed.ticket_no)]
    if filed.first_contact_due and has_phone:
        lines.append(
            CardField(name="first_contact_due", label="最晚联系您", value=texts.moment_text(filed.first_contact_due))
        )
    if filed.decision_due:
        lines.append(CardField(name="decision_due", label="最晚答复", value=texts.day_text(filed.decision_due)))
    card = Card(kind="receipt", title="已受理", fields=tuple(lines))
    response = "utter_merged" if filed.merged else "utter_filed" if has_phone else "utter_filed_without_phone"
    voice.line(response, card=card, asks="satisfaction", ticket_no=filed.ticket_no)


def _summary(draft: TicketDraft) -> str:
    return (draft.narrative_raw or "").split("\n")[0][:60]
