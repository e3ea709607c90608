"""The only reader of Rasa's tracker: turns its dictionaries into types, and types back into slot events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.events import EventType, SlotSet

from contract.ticket import Request, TicketDraft

_DRAFT_FIELDS = frozenset(TicketDraft.model_fields)
_TUPLE_FIELDS = frozenset({"special_group", "tags", "trigger_phrases", "script_ids_used"})


@dataclass(frozen=True, kw_only=True)
class Span:
    """An entity of this message; `value` is normalised, `text` is what the customer wrote."""

    type: str
    text: str
    value: Any = None

    @property
    def best(self) -> Any:
        return self.text if self.value is None else self.value


@dataclass(frozen=True, kw_only=True)
class BranchMention:
    """A branch in this message: its code when the directory knows it, and its name there or as the customer wrote it."""

    code: str | None
    name: str


@dataclass(frozen=True, kw_only=True)
class CauseGuess:
    """One place of the ranking; `finest` is the second-level code when there is one."""

    code: str
    confidence: float
    detail: str | None = None

    @property
    def finest(self) -> str:
        return self.detail or self.code


@dataclass(frozen=True, kw_only=True)
class Turn:
    """This message, as understood. `choice` is the payload of a picked button, in which case nothing else is meant."""

    text: str
    intent: str
    intent_confidence: float
    causes: tuple[CauseGuess, ...]
    level: int
    # The words that decided the level.
    reasons: tuple[str, ...]
    spans: tuple[Span, ...]
    choice: str | None
    conversation_id: str
    channel: str
    now: datetime
    human_available: bool
    branches_version: int

    def span(self, kind: str) -> Span | None:
        return next((span for span in self.spans if span.type == kind), None)

    @property
    def branch(self) -> BranchMention | None:
        span = self.span("branch")
        if span is None:
            return None
        known = span.value or {}
        return BranchMention(code=known.get("code"), name=known.get("name") or span.text)

    def all_spans(self, kind: str) -> tuple[Span, ...]:
        return tuple(span for span in self.spans if span.type == kind)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What the conversation has gathered so far: the draft and the bookkeeping around it."""

    draft: TicketDraft
    requested: str | None
    form_active: bool
    form_run: int = 1
    tries: Mapping[str, int] = field(default_factory=dict)
    skipped: frozenset[str] = frozenset()
    asked: tuple[str, ...] = ()
    human_offered: bool = False
    rights_told: bool = False
    clarified: bool = False
    ticket_no: str | None = None
    ticket_cause: str | None = None
    ticket_branch: str | None = None
    ticket_phone_tail: str | None = None


def read_turn(tracker: Tracker) -> Turn:
    """The latest message. Missing parts (a button was picked) read as empty."""
    message: Mapping[str, Any] = tracker.latest_message or {}
    metadata: Mapping[str, Any] = message.get("metadata") or {}
    understanding: Mapping[str, Any] = message.get("understanding") or {}
    intent = understanding.get("intent") or message.get("intent") or {}
    found = [*(understanding.get("entities") or ()), *(understanding.get("internal") or ())]
    return Turn(
        text=message.get("text") or "",
        intent=intent.get("name") or "",
        intent_confidence=float(intent.get("confidence") or 0.0),
        causes=tuple(
            CauseGuess(code=guess["code"], confidence=float(guess["confidence"]), detail=guess.get("detail"))
            for guess in _told(understanding.get("cause") or ())
        ),
        level=int(understanding.get("level") or 0),
        reasons=tuple(understanding.get("level_reasons") or understanding.get("reasons") or ()),
        spans=tuple(Span(type=item["type"], text=item.get("text") or "", value=item.get("value")) for item in found),
        choice=metadata.get("choice"),
        conversation_id=metadata.get("conversation_id") or tracker.sender_id,
        channel=metadata.get("channel") or "web",
        now=datetime.fromisoformat(metadata["now"]),
        human_available=bool(metadata.get("human_available")),
        branches_version=int(metadata.get("branches_version") or 0),
    )


def _told(ranking: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The causes of a complaint; what is likelier no complaint has none, whatever stands behind `none` in the ranking."""
    return () if ranking and ranking[0]["code"] == "none" else [it for it in ranking if it["code"] != "none"]


def read_memory(tracker: Tracker) -> Memory:
    """The slots, as types."""
    slots = tracker.slots
    return Memory(
        draft=TicketDraft.model_validate(
            {name: _draft_value(name, slots[name]) for name in _DRAFT_FIELDS if slots.get(name) is not None}
        ),
        requested=slots.get("requested_slot"),
        form_active=bool(tracker.active_loop and tracker.active_loop.get("name") == "complaint_form"),
        form_run=int(slots.get("form_run") or 1),
        tries=dict(slots.get("tries") or {}),
        skipped=frozenset(slots.get("skipped") or ()),
        asked=tuple(slots.get("asked") or ()),
        human_offered=bool(slots.get("human_offered")),
        rights_told=bool(slots.get("rights_told")),
        clarified=bool(slots.get("clarified")),
        ticket_no=slots.get("ticket_no"),
        ticket_cause=slots.get("ticket_cause"),
        ticket_branch=slots.get("ticket_branch"),
        ticket_phone_tail=slots.get("ticket_phone_tail"),
    )


def _draft_value(name: str, value: Any) -> Any:
    if name in _TUPLE_FIELDS:
        return tuple(value)
    if name in ("level", "level_peak", "representative_count"):
        return int(value)
    if name == "request":
        return Request(value)
    return value


def draft_events(before: TicketDraft, after: TicketDraft) -> list[EventType]:
    """Slot events for the fields that changed."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return [SlotSet(name, value) for name, value in new.items() if old[name] != value and name != "level"]


def memory_events(before: Memory, after: Memory) -> list[EventType]:
    """Slot events for everything that changed, draft included; `requested_slot` is always said, the form reads it."""
    events = draft_events(before.draft, after.draft)
    for name in ("form_run", "human_offered", "rights_told", "clarified"):
        if getattr(before, name) != getattr(after, name):
            events.append(SlotSet(name, getattr(after, name)))
    for name in ("ticket_no", "ticket_cause", "ticket_branch", "ticket_phone_tail"):
        if getattr(before, name) != getattr(after, name):
            events.append(SlotSet(name, getattr(after, name)))
    if before.tries != after.tries:
        events.append(SlotSet("tries", dict(after.tries)))
    if before.skipped != after.skipped:
        events.append(SlotSet("skipped", sorted(after.skipped)))
    if before.asked != after.asked:
        events.append(SlotSet("asked", list(after.asked)))
    return [*events, SlotSet("requested_slot", after.requested)]
