"""What the bridge and the bot say to each other: (state, message) -> (replies, understanding, draft, new state).

The bot runs in another environment (pydantic 1) and answers with plain JSON; `api/dialogue` parses it with these models,
so an answer of another shape fails the turn; `tests/bot/test_domain.py` holds the names together.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from contract.base import Frozen
from contract.ticket import Channel, TicketDraft

Asks = Literal[
    "narrative",
    "event_time",
    "branch",
    "product",
    "amount",
    "request",
    "name",
    "phone",
    "confirm",
    "satisfaction",
    "ticket_no",
    "phone_tail",
    "authorization",
    "representative_count",
    "cause",
]


class Choice(Frozen):
    """A button. `payload` is what the bot gets back when it is picked; the customer's side only ever sees an opaque id."""

    label: str
    payload: str


class CardField(Frozen):
    """One line of the read-back card; `name` is the ticket field that "改" would ask for again."""

    name: str
    label: str
    value: str


class Card(Frozen):
    """The read-back before filing, or the receipt after it."""

    kind: Literal["read_back", "receipt"]
    title: str
    fields: tuple[CardField, ...]


class BotMessage(Frozen):
    """One channel-neutral bubble of the bot's answer."""

    text: str
    choices: tuple[Choice, ...] = ()
    card: Card | None = None
    asks: Asks | None = None


class Entity(Frozen):
    """A span of the message; offsets count characters of the text as it was sent."""

    type: str
    text: str
    start: int
    end: int
    value: Any = None


class Intent(Frozen):
    """The recognised intent; confidence 0..1."""

    name: str
    confidence: float


class CauseGuess(Frozen):
    """One place of the cause ranking; `detail` is the second-level code, when the model has one."""

    code: str
    confidence: float
    detail: str | None = None


class Understanding(Frozen):
    """What the assistant understood of one message (api.md, `/v1/understand`).

    `reasons` are the customer's own words that decided, those of the level first once it is 2 or more; then apart for both.
    """

    intent: Intent
    nature: Literal["complaint", "other"]
    cause: tuple[CauseGuess, ...]
    level: int = Field(ge=0, le=4)
    level_confidence: float
    reasons: tuple[str, ...] = ()
    cause_reasons: tuple[str, ...] = ()
    level_reasons: tuple[str, ...] = ()
    entities: tuple[Entity, ...] = ()


class TurnRequest(Frozen):
    """One turn: everything the bot needs, because it keeps nothing.

    `text` has personal numbers replaced by placeholders (`<PHONE_1>`, `<CARD_1>`). `now` is when the message arrived, so
    that a retried turn gives the same answer. `choice` is the payload of a picked button.
    """

    conversation_id: str
    turn_id: str
    channel: Channel
    now: datetime
    text: str
    choice: str | None = None
    state: dict[str, Any] | None = None
    branches_version: int = 0
    human_available: bool = False


class Handover(Frozen):
    """The bot asks for a human. `alert` pages the duty manager (level 4)."""

    reason: Literal["user_request", "level", "low_confidence", "form_retry", "bot_error"]
    alert: bool = False


class TurnAnswer(Frozen):
    """The whole result of a turn; the bridge commits it at once or not at all."""

    messages: tuple[BotMessage, ...]
    understanding: Understanding | None
    draft: TicketDraft
    missing: tuple[str, ...] = ()
    ticket_no: str | None = None
    handover: Handover | None = None
    state: dict[str, Any]
