"""Files the confirmed matter, and what comes right after: the receipt, and the next matter that was told meanwhile."""

from dataclasses import replace

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, FollowupAction
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions import fields, incidents, texts
from actions.bridge import Bridge, FiledTicket, TicketRefusedError
from actions.picked import CONFIRMED
from actions.situation import World
from actions.tracker import Memory, Turn, memory_events, read_memory, read_turn
from actions.voice import Voice
from contract.playbook import Playbook
from contract.ticket import Channel, FieldSource, Nature, Request, TicketCreate, TicketDraft
from contract.turn import Card, CardField

# What stays when a matter is filed: nobody is asked twice who they are.
_KEPT = ("name", "phone", "anonymous", "customer_type", "level_peak", "tags", "special_group")
_OF_THE_MATTER = frozenset({fields.JOINT, "重复投诉"})
_WHO = frozenset({"name", "phone"})
_ESSENTIAL = (
    "nature", "narrative_raw", "summary", "phone", "name", "anonymous", "cause_l1", "cause_l2", "level", "level_peak", "tags",
    "conversation_id", "intake_channel", "created_at",
)  # fmt: skip
_SUMMARY, _WORDS = 120, 60
# Who tips off wants it looked into, and is not asked.
_INFERRED = FieldSource(source="inferred", confidence=0.9)


class ActionSubmitComplaint(Action):
    """Runs when the form has ended; files only what the customer has confirmed."""

    def __init__(self, bridge: Bridge, playbook: Playbook) -> None:
        self._bridge = bridge
        self._playbook = playbook

    def name(self) -> str:
        return "action_submit_complaint"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        turn, before = read_turn(tracker), read_memory(tracker)
        if CONFIRMED not in before.asked:
            return []
        world = World(playbook=self._playbook, directory=await self._bridge.directory(turn.branches_version))
        filed = await file(self._bridge, turn, before, world)
        voice = Voice(dispatcher, turn.channel)
        _tell(voice, filed, before.draft)
        after = after_filing(before, filed)
        if before.later is None:
            return memory_events(before, after)
        voice.line("utter_later_now")
        return [*memory_events(before, _with_later(after, before)), FollowupAction("complaint_form")]


async def file(bridge: Bridge, turn: Turn, memory: Memory, world: World) -> FiledTicket:
    """Files the draft once per form run of the conversation, however often the turn is tried."""
    draft = memory.draft
    code = draft.cause_l2 or draft.cause_l1
    incident = incidents.behind(draft, world.directory.incidents, turn.now)
    unlearned = {*fields.missing(draft, world.playbook), *(memory.skipped if not draft.anonymous else ())}
    if draft.nature is Nature.TIP_OFF and draft.request is None:
        draft = draft.model_copy(update={"request": Request.VERIFY, "sources": {**draft.sources, "request": _INFERRED}})
    body = draft.model_dump() | {
        "summary": draft.summary or summary(draft, world.playbook),
        # The level does not fall because the last message was a button.
        "level": draft.level_peak,
        "missing_fields": tuple(
            name for name in fields.LABELS if name in unlearned and not fields.is_known(draft, name)
        ),
        "business_category": world.playbook.taxonomy.business(draft.product, draft.narrative_raw or "", code),
        "business_channel": world.playbook.taxonomy.channel(code),
        "incident_id": incident.incident_no if incident else None,
        "conversation_id": turn.conversation_id,
        "intake_channel": Channel(turn.channel),
        "created_at": turn.now,
    }
    key = f"{turn.conversation_id}:{memory.form_run}"
    try:
        return await bridge.file_ticket(TicketCreate.model_validate(body), key)
    except TicketRefusedError:
        # A detail that the bridge does not take must not cost the ticket: the words hold it anyway.
        return await bridge.file_ticket(TicketCreate.model_validate({name: body[name] for name in _ESSENTIAL}), key)


def after_filing(memory: Memory, filed: FiledTicket) -> Memory:
    """The memory for what comes next: the ticket is known, the form is empty."""
    draft = memory.draft
    kept = {name: getattr(draft, name) for name in _KEPT}
    kept["tags"] = tuple(tag for tag in draft.tags if tag not in _OF_THE_MATTER)
    kept["sources"] = {
        name: FieldSource(source="known", confidence=1.0) for name in ("name", "phone") if getattr(draft, name)
    }
    return replace(
        memory,
        draft=TicketDraft.model_validate(kept),
        requested=None,
        form_run=memory.form_run + 1,
        tries={},
        # Who would not say it is not asked again for the next matter.
        skipped=memory.skipped & _WHO,
        asked=(),
        told=frozenset(),
        correcting=False,
        clarified=False,
        later=None,
        ticket_no=filed.ticket_no,
        ticket_cause=draft.cause_l1,
        ticket_branch=draft.branch or draft.branch_name,
        # A placeholder (`<PHONE_1>`): only the bridge knows the digits behind it.
        ticket_phone_tail=draft.phone,
    )


def _with_later(after: Memory, before: Memory) -> Memory:
    """The matter that was told while the first one was taken down, with who the customer is."""
    later = TicketDraft.model_validate(dict(before.later or {}))
    known = {name: getattr(after.draft, name) for name in ("name", "phone", "anonymous", "customer_type")}
    peak = max(later.level_peak, after.draft.level_peak)
    groups = tuple(dict.fromkeys((*after.draft.special_group, *later.special_group)))
    sources = {**later.sources, **after.draft.sources}
    draft = later.model_copy(update={**known, "sources": sources, "level_peak": peak, "special_group": groups})
    return replace(after, draft=draft)


def _tell(voice: Voice, filed: FiledTicket, draft: TicketDraft) -> None:
    has_phone = draft.phone is not None
    lines = [CardField(name="ticket_no", label="工单号", value=filed.ticket_no)]
    if filed.first_contact_due and has_phone:
        lines.append(
            CardField(name="first_contact_due", label="最晚联系您", value=texts.moment_text(filed.first_contact_due))
        )
    if filed.decision_due and draft.nature is not Nature.PRAISE:
        lines.append(CardField(name="decision_due", label="最晚答复", value=texts.day_text(filed.decision_due)))
    card = Card(
        kind="receipt", title="已登记" if draft.nature is not Nature.COMPLAINT else "已受理", fields=tuple(lines)
    )
    voice.line(_receipt(filed, draft), card=card, ticket_no=filed.ticket_no)


def _receipt(filed: FiledTicket, draft: TicketDraft) -> str:
    if filed.merged:
        return "utter_merged_restarted" if filed.clock_restarted else "utter_merged"
    if fields.FOREIGN in draft.tags:
        return "utter_filed_foreign"
    match draft.nature:
        case Nature.PRAISE:
            return "utter_filed_praise"
        case Nature.SUGGESTION:
            return "utter_filed_suggestion"
        case Nature.TIP_OFF:
            return "utter_filed_tip_off"
    return "utter_filed" if draft.phone is not None else "utter_filed_without_phone"


def summary(draft: TicketDraft, playbook: Playbook) -> str:
    """One line for the desk: when and where, what, what is wanted, and the customer's first words."""
    code = draft.cause_l2 or draft.cause_l1
    where = "，".join(part for part in (fields.event_time_text(draft), draft.branch_name) if part)
    what = playbook.taxonomy.name(code) if code and draft.nature is Nature.COMPLAINT else draft.nature.value
    wanted = f"诉求：{draft.request.value}" if draft.request else None
    words = fields.shorten((draft.narrative_raw or "").split("\n")[0], _WORDS)
    return fields.shorten("；".join(part for part in (where, what, wanted, words) if part), _SUMMARY)
