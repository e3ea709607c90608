"""A turn's request as Rasa reads it, and its result as the bridge reads it (contract/turn.py). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from rasa.core.channels import UserMessage

from bot.channels.outbox import Outbox
from bot.channels.rendering import for_channel
from bot.state import TurnState

# The fields of contract.ticket.TicketDraft; tests/bot/test_domain.py holds both sides together.
DRAFT_FIELDS = (
    "nature narrative_raw summary branch branch_name event_time event_time_text product amount request customer_quote "
    "name phone card_tail staff_described customer_type anonymous is_agent agent_kind authorization representative_count "
    "special_group cause_l1 cause_l2 cause_secondary cause_confidence cause_runner_up business_category business_channel "
    "incident_id level level_peak level_course tags trigger_phrases script_ids_used explanation_levels accepted_explanation "
    "hours_fault callback_wanted missing_fields sources"
).split()

# What a picked button stands for outside the form, where nobody reads its payload.
_CHOICE_INTENTS = {
    "confirm:yes": "affirm",
    "confirm:no": "deny",
    "confirm:change": "correct",
    "field": "correct",
    "human:yes": "request_human",
    "human:no": "affirm",
    "withdraw:yes": "affirm",
    "withdraw:no": "deny",
    "start:complaint": "complain",
    "start:progress": "query_progress",
    "start:withdraw": "withdraw",
}
# `right`, `request`, `cause`, `authorization`: answers, read by the form.
_OTHER_CHOICE = "inform"


class BadRequestError(Exception):
    """The body is not a request of ours. `str()` names the field, never its value."""


class EmptyAnswerError(Exception):
    """The turn ended without a word to the customer."""


@dataclass(frozen=True)
class TurnCall:
    """`POST /turn`, as far as the bot reads it (contract.turn.TurnRequest)."""

    conversation_id: str
    turn_id: str
    channel: str
    now: str
    text: str
    choice: Optional[str]
    state: Optional[Dict[str, Any]]
    branches_version: int
    human_available: bool

    @classmethod
    def parse(cls, body: Any) -> "TurnCall":
        """Raises BadRequestError for anything that is not a turn."""
        if not isinstance(body, dict):
            raise BadRequestError("body")
        return cls(
            conversation_id=field(body, "conversation_id", str),
            turn_id=field(body, "turn_id", str),
            channel=field(body, "channel", str),
            now=field(body, "now", str),
            text=field(body, "text", str),
            choice=field(body, "choice", str, None),
            state=field(body, "state", dict, None),
            branches_version=field(body, "branches_version", int, 0),
            human_available=field(body, "human_available", bool, False),
        )

    def message(self, outbox: Outbox) -> UserMessage:
        """What Rasa is given; everything an action needs of the request stands in the metadata."""
        return UserMessage(
            text=as_text(self.text),
            output_channel=outbox,
            sender_id=self.conversation_id,
            parse_data=_as_picked(self.choice, self.text) if self.choice else None,
            input_channel=outbox.name(),
            message_id=self.turn_id,
            metadata={
                "conversation_id": self.conversation_id,
                "channel": self.channel,
                "now": self.now,
                "choice": self.choice,
                "human_available": self.human_available,
                "branches_version": self.branches_version,
            },
        )


_REQUIRED = object()


def field(body: Mapping[str, Any], name: str, kind: type, default: Any = _REQUIRED) -> Any:
    """The value of a field; null stands for `default`. Raises BadRequestError."""
    value = body.get(name, default)
    if value is None and default is not _REQUIRED:
        return default
    # To Python, true is a number.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadRequestError(name)
    return value


def as_text(text: str) -> str:
    """The customer's words. Rasa takes a leading slash for a command; the length stays the same."""
    head = len(text) - len(text.lstrip())
    return f"{text[:head]}／{text[head + 1 :]}" if text[head : head + 1] == "/" else text


def _as_picked(choice: str, label: str) -> Dict[str, Any]:
    """Parse data for a button: understood without NLU, and without a level of its own."""
    intent = _CHOICE_INTENTS.get(choice) or _CHOICE_INTENTS.get(choice.partition(":")[0], _OTHER_CHOICE)
    return {"text": label, "intent": {"name": intent, "confidence": 1.0}, "entities": [], "understanding": None}


def turn_answer(call: TurnCall, turn: TurnState, outbox: Outbox) -> Dict[str, Any]:
    """The JSON of contract.turn.TurnAnswer. Raises EmptyAnswerError."""
    if not outbox.messages or turn.saved is None:
        raise EmptyAnswerError
    slots: Dict[str, Any] = turn.saved["slots"]
    return {
        "messages": for_channel(call.channel, outbox.messages),
        "understanding": understanding(turn.understanding, call.text) if turn.understanding else None,
        "draft": {name: slots[name] for name in DRAFT_FIELDS if slots.get(name) is not None},
        "missing": outbox.missing if outbox.missing is not None else _still_asked(slots),
        "ticket_no": slots.get("ticket_no"),
        "handover": outbox.handover,
        "state": turn.saved,
    }


def _still_asked(slots: Mapping[str, Any]) -> List[str]:
    asked = (slots.get("requested_slot") or "").rpartition(":")[2]
    return [asked] if asked and asked != "confirm" else []


def understanding(found: Mapping[str, Any], text: str) -> Dict[str, Any]:
    """The public part of what the components found; offsets count from the first character of `text`."""
    # Rasa strips the message before it is parsed.
    shift = len(text) - len(text.lstrip())
    return {
        "intent": _pick(found["intent"], "name confidence"),
        "nature": found["nature"],
        "cause": [_pick(guess, "code confidence detail") for guess in found["cause"]],
        "level": int(found["level"]),
        "level_confidence": float(found["level_confidence"]),
        **{name: list(found.get(name) or ()) for name in ("reasons", "cause_reasons", "level_reasons")},
        "entities": [
            {**_pick(it, "type text value"), "start": it["start"] + shift, "end": it["end"] + shift}
            for it in found["entities"]
        ],
    }


def _pick(source: Mapping[str, Any], names: str) -> Dict[str, Any]:
    return {name: source[name] for name in names.split() if name in source}
