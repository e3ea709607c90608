"""What is asked about personal data. Phones stand in bodies, never in addresses."""

from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

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


class PersonIn(_Reasoned):
    """Whose data: by phone, or by a ticket of theirs (then all tickets of its phone)."""

    phone: _Number | None = None
    ticket_no: _Number | None = None


class DeletionIn(PersonIn):
    """`confirm`: the word 删除, typed."""

    confirm: str = Field(default="", max_length=20)


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
