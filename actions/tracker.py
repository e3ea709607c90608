"""The only reader of Rasa's tracker: turns its dictionaries into types, and types back into slot events."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.events import EventType, SlotSet

from contract.ticket import TicketDraft

_BRANCH_NAME = re.compile(r"(?:支行|网点|营业部|分理处|储蓄所|营业厅)$")
_DRAFT_FIELDS = frozenset(TicketDraft.model_fields)


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
    """A branch in this message: its code when the directory knows it, and its name there or as the customer wrote it.

    `alike`: the words only sound like that branch.
    """

    code: str | None
    name: str
    alike: bool = False


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
    # What the matter would be, of a message that is rather no complaint.
    possible: tuple[CauseGuess, ...] = ()
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
        """A name in full before a bare place, which may only be where somebody lives."""
        spans = self.all_spans("branch")
        span = next((it for it in spans if _BRANCH_NAME.search(it.text)), next(iter(spans), None))
        if span is None:
            return None
        known = span.value or {}
        return BranchMention(
            code=known.get("code"), name=known.get("name") or span.text, alike=bool(known.get("alike"))
        )

    @property
    def cues(self) -> frozenset[str]:
        """What the message does beside telling a story (bot/lexicon/cues.yml); `change:amount` names a field."""
        return frozenset(str(span.value) for span in self.spans if span.type == "cue")

    def cue_field(self, cue: str) -> str | None:
        """The field that a cue is about."""
        return next((name.partition(":")[2] for name in self.cues if name.startswith(f"{cue}:")), None)

    def all_spans(self, kind: str) -> tuple[Span, ...]:
        return tuple(span for span in self.spans if span.type == kind)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What the conversation has gathered so far: the draft and the bookkeeping around it (bot/domain/slots.yml)."""

    draft: TicketDraft
    requested: str | None
    form_active: bool
    form_run: int = 1
    tries: Mapping[str, int] = field(default_factory=dict)
    skipped: frozenset[str] = frozenset()
    asked: tuple[str, ...] = ()
    told: frozenset[str] = frozenset()
    correcting: bool = False
    human_offered: bool = False
    rights_told: bool = False
    clarified: bool = False
    last_at: str | None = None
    later: Mapping[str, Any] | None = None
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
    ranking, is_other = _ranking(understanding.get("cause") or ())
    found = [*(understanding.get("entities") or ()), *(understanding.get("internal") or ())]
    return Turn(
        text=message.get("text") or "",
        intent=intent.get("name") or "",
        intent_confidence=float(intent.get("confidence") or 0.0),
        causes=() if is_other else ranking,
        possible=ranking if is_other else (),
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


def _ranking(found: Sequence[Mapping[str, Any]]) -> tuple[tuple[CauseGuess, ...], bool]:
    """The causes, and whether the message is likelier no complaint (`none` stands first then)."""
    causes = tuple(
        CauseGuess(code=guess["code"], confidence=float(guess["confidence"]), detail=guess.get("detail"))
        for guess in found
        if guess["code"] != "none"
    )
    return causes, bool(found) and found[0]["code"] == "none"


_BOOKKEEPING = tuple(name for name in Memory.__dataclass_fields__ if name not in ("draft", "requested", "form_active"))


def read_memory(tracker: Tracker) -> Memory:
    """The slots, as types."""
    slots = tracker.slots
    kept = {name: slots[name] for name in _BOOKKEEPING if slots.get(name) is not None}
    for name, kind in (("skipped", frozenset), ("told", frozenset), ("asked", tuple), ("form_run", int)):
        if name in kept:
            kept[name] = kind(kept[name])
    draft = {name: slots[name] for name in _DRAFT_FIELDS if slots.get(name) is not None}
    return Memory(
        draft=TicketDraft.model_validate(draft),
        requested=slots.get("requested_slot"),
        form_active=bool(tracker.active_loop and tracker.active_loop.get("name") == "complaint_form"),
        **kept,
    )


def memory_events(before: Memory, after: Memory) -> list[EventType]:
    """Slot events for everything that changed, draft included; `requested_slot` is always said, the form reads it."""
    old, new = before.draft.model_dump(mode="json"), after.draft.model_dump(mode="json")
    # The slot `level` belongs to the message (bot/nlu).
    events = [SlotSet(name, value) for name, value in new.items() if old[name] != value and name != "level"]
    for name in _BOOKKEEPING:
        value = getattr(after, name)
        if getattr(before, name) != value:
            events.append(SlotSet(name, _plain(value)))
    return [*events, SlotSet("requested_slot", after.requested)]


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
