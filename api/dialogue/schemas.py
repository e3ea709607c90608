"""Values of the dialogue room, and how a message looks on the wire."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api.core.bus import Event
from api.core.clock import rfc3339
from api.core.sse import sse


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One bubble as it stands in the table; `choice` is the payload behind a picked button."""

    seq: int
    role: str
    text: str
    created_at: datetime
    client_id: str | None = None
    choice: str | None = None
    choices: list[dict[str, str]] | None = None
    card: dict[str, Any] | None = None
    asks: str | None = None
    attachments: list[dict[str, Any]] | None = None

    def wire(self) -> dict[str, Any]:
        """api.md's shape. `client_id` lets the sender recognise its own bubble; the payload of a choice stays here."""
        shown: dict[str, Any] = {"seq": self.seq, "role": self.role, "text": self.text}
        for name in ("choices", "card", "client_id", "attachments"):
            if (value := getattr(self, name)) is not None:
                shown[name] = value
        return {**shown, "asks": self.asks, "created_at": rfc3339(self.created_at)}

    def event(self) -> Event:
        return Event(sse("message", self.wire(), seq=self.seq), self.seq)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A customer's message as a channel hands it on: already scrubbed; either text or a choice."""

    client_id: str
    text: str | None
    choice_id: str | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Turn:
    """A claimed piece of work: these messages, under this fence."""

    conversation_id: str
    channel: str
    fence: int
    attempts: int
    noticed: bool
    upto: int
    messages: tuple[StoredMessage, ...]
    state: bytes | None
    vault: dict[str, str]
    branches_version: int

    @property
    def text(self) -> str:
        return "\n".join(message.text for message in self.messages)

    @property
    def choice(self) -> str | None:
        return self.messages[-1].choice

    @property
    def arrived(self) -> datetime:
        return self.messages[-1].created_at


@dataclass(frozen=True, slots=True)
class Accepted:
    """A stored message, and the turn if nobody was at work on this conversation yet."""

    seq: int
    message: StoredMessage | None
    turn: Turn | None


@dataclass(slots=True)
class Committed:
    """What a finished turn changed, for whoever watches; and the next turn when messages came in meanwhile."""

    messages: list[StoredMessage]
    owner: str
    owner_changed: bool
    ticket_no: str | None
    alert: bool
    next_turn: Turn | None = field(default=None)
