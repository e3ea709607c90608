"""Shapes of the administration of webhooks."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StrictBool, StringConstraints, model_validator

from api.tickets.handoff.payload import Personal
from api.tickets.handoff.schemas import EventId
from contract.base import AS_NUMBER, Frozen, Moment

_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
_Type = Annotated[str, StringConstraints(max_length=32, pattern=r"^ticket\.[a-z_]+$")]
_Types = Annotated[list[_Type], Field(max_length=50)]
_Units = Annotated[list[_Name], Field(max_length=50)]
# How one looks is told here; whether this one will do, targets.py says in a sentence.
_LOOKS = r"^https?://(\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]\\]+)(:[0-9]{1,5})?([/?][^\s#\\]*)?$"
_Url = Annotated[
    str, StringConstraints(min_length=1, max_length=2000), Field(json_schema_extra={"pattern": _LOOKS, "format": "uri"})
]

DeliveryState = Literal["pending", "delivered", "dead", "withheld"]


class WebhookIn(Frozen):
    """`types` empty: all; `unit` null: tickets of every unit; sealed tickets only of `sealed_units`; `personal`: payload.py."""

    name: _Name
    url: _Url
    types: _Types = Field(default_factory=list)
    unit: _Name | None = None
    sealed_units: _Units = Field(default_factory=list)
    personal: Personal = "masked"


class WebhookChange(Frozen):
    """Only what is given changes; `unit` may be set to null. A disabled webhook keeps collecting; enabled, it catches up."""

    name: _Name = ""
    url: _Url = ""
    types: _Types = Field(default_factory=list)
    unit: _Name | None = None
    sealed_units: _Units = Field(default_factory=list)
    personal: Personal = "masked"
    active: StrictBool = True


class WebhookOut(Frozen):
    """`old_secret_until`: until then each delivery carries two signatures. `failures`: in a row."""

    id: str
    name: str
    url: str
    types: list[str]
    unit: str | None
    sealed_units: list[str]
    personal: Personal
    active: bool
    inactive_reason: str | None
    old_secret_until: datetime | None
    failures: int
    resume_at: datetime | None
    pending: int
    dead: int
    created_at: datetime
    created_by: str
    updated_at: datetime


class WebhookMade(WebhookOut):
    """`secret` (whsec_…) is shown this once."""

    secret: str


class WebhookList(Frozen):
    """All webhooks; there are at most some dozens."""

    webhooks: list[WebhookOut]


class RotateIn(Frozen):
    """For `grace_hours` both secrets sign, so that receivers can change over; 0 when the old one is known to others."""

    grace_hours: Annotated[int, Field(ge=0, le=168), AS_NUMBER] = 24


class SecretOut(Frozen):
    """The new secret, shown this once."""

    secret: str
    old_secret_until: datetime | None


class TestOut(Frozen):
    """What the receiver made of a test: its status, or a code of ours for why there was none."""

    delivered: bool
    status: int | None
    error: str | None


class DeliveryOut(Frozen):
    """One event for one webhook. `last_error`: http_<status>, redirect, timeout, connection, tls, dns, target_refused."""

    event_id: str
    type: str | None
    ticket_no: str
    version: int | None
    state: DeliveryState
    attempts: int
    happened_at: datetime
    next_at: datetime | None
    tried_at: datetime | None
    delivered_at: datetime | None
    last_status: int | None
    last_error: str | None


class DeliveryPage(Frozen):
    """The newest first."""

    deliveries: list[DeliveryOut]
    next_cursor: str | None


_NULL: dict[str, Any] = {"type": "null"}
_NO_TIME: dict[str, Any] = {"properties": {"since": _NULL, "until": _NULL, "delivered": {"const": False}}}
_A_TIME: dict[str, Any] = {"properties": {"event_id": _NULL, "since": {"type": "string"}}, "required": ["since"]}


class ReplayIn(Frozen):
    """One event, or those of a time (also what was never sent; with `delivered` what arrived, too), or all that are dead."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [_NO_TIME, _A_TIME]})

    event_id: EventId | None = None
    since: Moment | None = None
    until: Moment | None = None
    delivered: StrictBool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.event_id is not None and (self.since or self.until):
            raise ValueError("event_id 和 since、until 只能给一种")
        if self.since is None and (self.until is not None or self.delivered):
            raise ValueError("按时间重投请给出起点 since")
        return self


class ReplayOut(Frozen):
    """How many deliveries wait again."""

    replayed: int
