"""Shapes of tickets on the wire; names are those of domain.md 6.2."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from api.core.clock import rfc3339
from api.core.redaction import scrub_all
from api.tickets.lifecycle import EventType
from contract.base import AS_NUMBER, Frozen
from contract.sla import Complexity
from contract.ticket import FieldSource, Level, TicketCreate

LONGEST_NARRATIVE = 200_000  # a whole long conversation; single messages end at 20,000
_Code = Annotated[str, StringConstraints(max_length=8)]
_Name = Annotated[str, StringConstraints(max_length=64)]
_Field = Annotated[str, StringConstraints(max_length=32)]
# What the caller's systems made, and what is compared with what is kept.
_NOT_TOLD = frozenset({"conversation_id", "incident_id", "type", "into", "phone_tail"})


def _scrubbed(value: Any, info: ValidationInfo) -> Any:
    """Full card and identity numbers never get further than here, in whichever field somebody typed them."""
    return value if info.field_name in _NOT_TOLD else scrub_all(value)


_Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class RecusedIn(Frozen):
    """Of whom the customer complains, as far as that is known: accounts and units of ours."""

    persons: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=80)], ...], Field(max_length=20)
    ] = ()
    units: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=64)], ...], Field(max_length=20)
    ] = ()


_YUAN = r"^[0-9]{1,12}(\.[0-9]{1,2})?$"


def _written(value: Any) -> Any:
    """Other systems send an amount as a number, too: 20 and 20.5 are as good as "20.00"."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 10**12:
        return value
    cents = round(value, 2)
    return f"{cents:.2f}" if abs(cents - value) < 1e-6 else value


Yuan = Annotated[
    Annotated[str, StringConstraints(pattern=_YUAN)],
    BeforeValidator(_written),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _YUAN},
                {"type": "number", "minimum": 0, "exclusiveMaximum": 10**12, "multipleOf": 0.01},
            ]
        }
    ),
]


class TicketIn(TicketCreate):
    """Body of POST /v1/tickets: the draft plus where it comes from. `contact` is another name of `phone` (domain.md)."""

    model_config = ConfigDict(populate_by_name=True)

    narrative_raw: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NARRATIVE)]
    phone: Annotated[str, StringConstraints(max_length=32)] | None = Field(
        default=None, validation_alias=AliasChoices("phone", "contact")
    )
    name: Annotated[str, StringConstraints(max_length=64)] | None = None
    branch: Annotated[str, StringConstraints(max_length=64)] | None = None
    branch_name: Annotated[str, StringConstraints(max_length=64)] | None = None
    event_time: Annotated[str, StringConstraints(max_length=64)] | None = None
    product: Annotated[str, StringConstraints(max_length=128)] | None = None
    cause_l2: _Code | None = None
    cause_secondary: _Code | None = None
    conversation_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    business_category: _Name | None = None
    business_channel: _Name | None = None
    incident_id: Annotated[str, StringConstraints(max_length=32)] | None = None
    level_course: Annotated[tuple[Level, ...], Field(max_length=1000)] = ()
    explanation_levels: Annotated[dict[_Name, Level], Field(max_length=100)] = Field(default_factory=dict)
    missing_fields: Annotated[tuple[_Field, ...], Field(max_length=50)] = ()
    sources: Annotated[dict[_Field, FieldSource], Field(max_length=50)] = Field(default_factory=dict)
    representative_count: Annotated[int, Field(ge=0, le=100_000), AS_NUMBER] | None = None
    amount: Yuan | None = None
    recused: RecusedIn = RecusedIn()

    scrubbed = field_validator("*")(_scrubbed)


Validity = Literal["有效", "无效", "特殊"]
Outcome = Literal["解释", "更正", "退费", "补偿", "道歉", "无依据"]

# What may be corrected after filing; each change is kept in the thread with its old value.
CORRECTABLE = (
    "branch", "branch_name", "event_time", "event_time_text", "product", "amount", "request", "name", "phone", "cause_l1", "cause_l2",
    "cause_secondary", "summary", "nature", "source",
)  # fmt: skip


# What a customer's comment may add to the ticket: the facts of joining.FACTS, and how they were put.
TELLABLE = ("branch", "branch_name", "event_time", "event_time_text", "amount", "product", "staff_described", "request")


class EventIn(Frozen):
    """Body of POST /v1/tickets/{no}/events; which fields are needed depends on `type`."""

    type: EventType
    text: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    reason: _Reason | None = None
    owner: Annotated[str, StringConstraints(min_length=1, max_length=80)] | None = None
    route: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    days: Annotated[int, Field(ge=1, le=30), AS_NUMBER] | None = None
    approver: Annotated[str, StringConstraints(min_length=1, max_length=80)] | None = None
    # With an extension or a contact: the customer was told of it, or what to tell in the customer's own window.
    customer_notified: StrictBool = False
    notice: Annotated[str, StringConstraints(max_length=500)] | None = None
    complexity: Complexity | None = None
    outcome: Outcome | None = None
    root_cause: Annotated[str, StringConstraints(max_length=2000)] | None = None
    corrective_action: Annotated[str, StringConstraints(max_length=2000)] | None = None
    into: Annotated[str, StringConstraints(max_length=32)] | None = None
    # What to split off: a ticket that was merged, or the number of the entry that tells a joined repeat.
    ticket_no: Annotated[str, StringConstraints(max_length=32)] | None = None
    entry: Annotated[int, Field(ge=1, le=2**31), AS_NUMBER] | None = None
    waits_for: Literal["customer", "third_party"] | None = Field(default=None, alias="for")
    validity: Validity | None = None
    # The version of the ticket that was looked at: when it has moved on since, nothing happens.
    expected_version: Annotated[int, Field(ge=0), AS_NUMBER] | None = None
    fields: dict[str, str | None] | None = None
    person: Annotated[str, StringConstraints(min_length=1, max_length=80)] | None = None
    unit: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    phone_tail: Annotated[str, StringConstraints(max_length=32)] | None = None
    # How heated the customer was, with a comment, contact or urging; it raises the ticket's peak and never lowers it.
    level: Level | None = None
    # The customer said it and the bot passes it on.
    from_customer: StrictBool = False
    # With a customer's comment: what it tells by field, and that material is announced (bot) or was brought (staff).
    facts: Annotated[dict[str, str | None], Field(max_length=20)] | None = None
    evidence: StrictBool = False
    callback: StrictBool = False

    scrubbed = field_validator("*")(_scrubbed)


def wire(values: dict[str, Any]) -> dict[str, Any]:
    """Moments as RFC 3339; names as plain text, because those of columns are of a class that is slow to write."""
    return {str(name): rfc3339(value) if isinstance(value, datetime) else value for name, value in values.items()}
