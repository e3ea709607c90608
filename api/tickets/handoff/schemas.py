"""Shapes of the pull and of acknowledgements."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import StringConstraints

from contract.base import Frozen, Moment

EventId = Annotated[str, StringConstraints(min_length=1, max_length=96, pattern=r"^evt_[\w\-.]+$")]
Consumer = Annotated[str, StringConstraints(min_length=1, max_length=48, pattern=r"^[\w\-.]+$")]
Reference = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


class EventData(Frozen):
    """`event` and `ticket` are null when the snapshot was purged: then read the ticket itself."""

    ticket_no: str
    version: int
    state: str
    event: dict[str, Any] | None
    ticket: dict[str, Any] | None


class EventOut(Frozen):
    """One change of a ticket. The same `id` again is the same event; `version` orders the events of a ticket."""

    id: str
    type: str
    timestamp: datetime
    data: EventData


class EventPage(Frozen):
    """`cursor` goes into the next call, also when there was nothing; `more`: ask again at once."""

    events: list[EventOut]
    cursor: str
    more: bool


class AckIn(Frozen):
    """A back office has an event; `external_ref` is its own number of the ticket."""

    event_id: EventId
    consumer: Consumer
    received_at: Moment | None = None
    external_ref: Reference | None = None


class AckOut(Frozen):
    """`repeated`: this consumer had acknowledged the event before; only an `external_ref` that is new is kept then."""

    event_id: str
    ticket_no: str
    version: int
    repeated: bool
