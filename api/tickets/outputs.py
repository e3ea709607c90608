"""What the ticket room answers with, for the API's description.

Handlers send bytes that they made themselves, which is faster than having these models check them; tests hold both together
(tests/api/test_openapi.py). What stands in a ticket's row follows from its table.
"""

from collections.abc import Set as AbstractSet
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, create_model
from sqlalchemy import Boolean, Column, Float, Integer, String, Table

from api.core.crypto import EncryptedJson, EncryptedText
from api.core.models import Instant
from api.tickets.lifecycle import EventType, PromiseKind, State
from api.tickets.models import tickets
from api.tickets.repository import LISTED
from api.tickets.views import INSIDE


class Answer(BaseModel):
    """Nothing is sent that is not described."""

    model_config = ConfigDict(extra="forbid")


class ToldClock(Answer):
    """A deadline as customers are told of it; `basis` is the rule behind it."""

    kind: str
    due_at: AwareDatetime | None
    basis: str
    met_at: AwareDatetime | None
    overdue: bool


class Span(BaseModel):
    """`to` is null while it lasts."""

    model_config = ConfigDict(extra="allow")
    to: AwareDatetime | None


class ToldStage(Answer):
    """A warning or escalation that was sent."""

    stage: str
    at: AwareDatetime


class ClockOut(ToldClock):
    """A deadline with all that staff may ask about it."""

    state: str
    started_at: AwareDatetime
    run: int
    provisional: bool
    level2_at: AwareDatetime | None
    level3_at: AwareDatetime | None
    warn_at: list[AwareDatetime | None]
    pauses: list[Span]
    told: list[ToldStage]


class PromiseOut(Answer):
    """What is owed by word."""

    kind: PromiseKind
    text: str
    due_at: AwareDatetime | None
    made_at: AwareDatetime
    met_at: AwareDatetime | None
    overdue: bool


class EntryOut(Answer):
    """One entry of the thread; what `data` holds depends on `type`."""

    seq: int
    type: EventType
    actor: str
    audience: Literal["staff", "customer"]
    at: AwareDatetime
    data: dict[str, Any]


class LinkOut(Answer):
    """Another ticket that may be the same matter (`similar`), or was split off (`split`), with the reasons in words."""

    ticket_no: str
    kind: Literal["similar", "split"]
    state: State
    state_label: str
    cause_name: str
    reasons: list[str]
    at: AwareDatetime


class DismissedOut(Answer):
    """A suggestion that is shown in neither ticket any more, and who said so first."""

    ticket_no: str
    other_no: str
    dismissed_at: AwareDatetime
    dismissed_by: str


class MergedOut(Answer):
    """A ticket that was merged into this one; `entries` is the length of its thread, at its own address."""

    ticket_no: str
    created_at: AwareDatetime
    nature: str
    summary: str
    level_peak: int
    entries: int


class StaffFileOut(Answer):
    """An attachment as staff see it."""

    attachment_id: str
    name: str
    size: int
    media_type: str
    sha256: str
    added_by: str
    from_customer: bool
    at: AwareDatetime
    scan: str


class FiledOut(Answer):
    """`merged`: it joined an open ticket; `new_facts` is what that did not have."""

    ticket_no: str
    state: State
    state_label: str
    nature: str
    merged: bool
    clock_restarted: bool
    new_facts: list[str]
    created_at: AwareDatetime
    route: str
    cause_l1: str
    level: int
    level_peak: int
    first_contact_due_at: AwareDatetime
    due_at: AwareDatetime
    clock_basis: str
    repeat_count: int
    clocks: list[ToldClock]


class ProgressOut(Answer):
    """For whoever holds the number and the phone's last four digits."""

    ticket_no: str
    nature: str
    state: State
    state_label: str
    state_text: str
    created_at: AwareDatetime
    days: int
    next_date: AwareDatetime | None
    next_kind: Literal["decision", "first_contact"] | None
    due_at: AwareDatetime | None
    extended_days: int
    extension_reason: str | None
    urged_count: int
    parent_ticket: str | None
    awaited: str | None
    withdrawn_at: AwareDatetime | None


class AppliedProgress(ProgressOut):
    """What the bot hears of an event."""

    clock_restarted: bool
    new_facts: list[str]


class _Names(Answer):
    """What a reader would otherwise have to look up."""

    state_label: str
    state_text: str
    cause_name: str
    overdue: bool


class _Whole(_Names):
    """Everything beside the row."""

    contact: str | None
    cause_runner_up_name: str | None
    clocks: list[ClockOut]
    promises: list[PromiseOut]
    events: list[EntryOut]
    allowed_events: list[EventType]
    attachments: list[StaffFileOut]
    related: list[LinkOut]
    consents: list[dict[str, Any]]
    merged_from: list[MergedOut]


def _kind(column: Column[Any]) -> Any:
    kinds: tuple[tuple[type[Any], Any], ...] = (
        (Instant, AwareDatetime),
        (EncryptedText, str),
        (EncryptedJson, Any),
        (Boolean, bool),
        (Integer, int),
        (Float, float),
        (String, str),
    )
    found = next((kind for made, kind in kinds if isinstance(column.type, made)), Any)
    return found | None if column.nullable and found is not Any else found


def _columns(table: Table, names: AbstractSet[str]) -> dict[str, Any]:
    return {column.name: (_kind(column), ...) for column in table.columns if column.name in names}


_SHOWN = {column.name for column in tickets.columns} - set(INSIDE)

TicketOut = create_model("TicketOut", __base__=_Whole, __doc__="工单全文。", **_columns(tickets, _SHOWN))
AppliedOut = create_model(
    "AppliedOut",
    __base__=TicketOut,
    __doc__="工单全文，和这次新增的事实。",
    clock_restarted=(bool, ...),
    new_facts=(list[str], ...),
)
TicketLine = create_model(
    "TicketLine", __base__=_Names, __doc__="列表中的一行，手机号已打码。", **_columns(tickets, LISTED & _SHOWN)
)


class TicketPage(Answer):
    """The newest first; `next_cursor` is null on the last page."""

    tickets: list[TicketLine]
    next_cursor: str | None
