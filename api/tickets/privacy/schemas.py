"""What is asked about personal data. Phones stand in bodies, never in addresses."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints, WithJsonSchema, field_validator

from api.core.redaction import scrub
from contract.base import Frozen

_Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=500)]
_Number = Annotated[str, StringConstraints(min_length=1, max_length=32)]


class _Reasoned(Frozen):
    """`reason` is kept in the audit chain for ever: it is the bank's, and names nobody."""

    reason: _Reason

    @field_validator("reason")
    @classmethod
    def _masked(cls, value: str) -> str:
        return scrub(value)


CONFIRM = "删除"
_NULL: dict[str, Any] = {"type": "null"}
_ONE_OF_THEM: list[Any] = [
    {"required": [one], "properties": {one: {"type": "string"}, other: _NULL}}
    for one, other in (("phone", "ticket_no"), ("ticket_no", "phone"))
]


class PersonIn(_Reasoned):
    """Whose data: by phone, or by a ticket of theirs (then all tickets of its phone); `only` these of them, where several
    people share a phone. Conversations that led to no ticket are then nobody's that could be named, and left out.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": _ONE_OF_THEM})

    phone: Annotated[_Number, Field(json_schema_extra={"pattern": "[0-9]"})] | None = None
    ticket_no: _Number | None = None
    only: Annotated[tuple[_Number, ...], Field(min_length=1, max_length=200)] | None = None


class DeletionIn(PersonIn):
    """`confirm`: the word 删除, typed."""

    model_config = ConfigDict(json_schema_extra={"oneOf": _ONE_OF_THEM, "required": ["reason", "confirm"]})

    confirm: Annotated[str, Field(max_length=20), WithJsonSchema({"const": CONFIRM})] = ""


class HoldIn(_Reasoned):
    """Keeps a ticket from being anonymised: a lawsuit, an investigation."""

    ticket_no: _Number


class WithdrawalIn(Frozen):
    """Of the customer's own; the reason is theirs to give or not."""

    reason: Annotated[str, StringConstraints(max_length=500)] | None = None

    @field_validator("reason")
    @classmethod
    def _masked(cls, value: str | None) -> str | None:
        return scrub(value) if value else value
