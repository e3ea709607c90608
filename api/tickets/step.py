"""One event on its way into a ticket: what it is decided on, and the words of it that may be kept."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from api.core.bus import Event
from api.core.models import AnyRow
from api.core.redaction import restore, scrub
from api.core.security import Principal, Role
from api.tickets.errors import EventInvalidError
from api.tickets.schemas import EventIn
from api.tickets.service import Tickets


@dataclass(frozen=True, slots=True)
class Step:
    """Everything one event is decided on; `ticket` is its row, locked."""

    tickets: Tickets
    connection: Connection
    ticket: AnyRow
    event: EventIn
    by: Principal
    now: datetime
    # The merged ticket by whose number this came; `ticket` is then the one that it went into.
    heard: AnyRow | None = None
    # What was said in the customer's window on the way.
    said: list[Event] = field(default_factory=list)


# What changes in the row, and what the thread says about it.
Effect = tuple[dict[str, Any], dict[str, Any]]


def revived(step: Step) -> dict[str, Any]:
    """What the thread tells of a ticket whose decision is owed again and that no unit had accepted."""
    return {} if step.ticket.accepted_at else {"handed_over": True}


def needed_text(step: Step) -> str:
    if not (step.event.text or "").strip():
        raise EventInvalidError("请填写内容（text）。")
    return as_kept(step, step.event.text or "")


def needed_reason(step: Step, what: str) -> str:
    if step.event.reason is None:
        raise EventInvalidError(f"{what}需要说明理由（reason）。")
    return as_kept(step, step.event.reason)


def as_kept(step: Step, text: str) -> str:
    """The text as it may be kept; the bot passes on a customer's words with placeholders."""
    text, talk = scrub(text), (step.heard or step.ticket).conversation_id
    if step.by.role is Role.INTERNAL and talk:
        return restore(text, step.tickets.values_of(step.connection, talk))
    return text
