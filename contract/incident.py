"""Something that touches many customers at once: a system upgrade, an outage, a crowd, a cluster of complaints (api.md, `POST /v1/incidents`)."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StrictBool, model_validator

from contract.base import Frozen, Moment, contradiction

# A cluster is many complaints about one thing whose reason nobody knows yet; it explains nothing.
Kind = Literal["upgrade", "outage", "crowd", "cluster"]
Message = Annotated[str, Field(min_length=2, max_length=80)]
Workaround = Annotated[str, Field(max_length=60)]


class IncidentFacts(Frozen):
    """What is announced. `services` and `branches` empty means all; `to` unknown means that it still goes on."""

    model_config = ConfigDict(populate_by_name=True)

    title: str = Field(min_length=2, max_length=40)
    kind: Kind = "outage"
    services: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    starts_at: Moment = Field(alias="from")
    ends_at: Moment | None = Field(default=None, alias="to")
    message: Message
    workaround: Workaround | None = None
    # Shown at the top of the customer's window while it lasts.
    banner: StrictBool = True

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.ends_at is not None and self.ends_at <= self.starts_at:
            raise contradiction("结束时间应晚于开始时间")
        return self

    def holds_at(self, moment: datetime) -> bool:
        return self.starts_at <= moment and (self.ends_at is None or moment < self.ends_at)


class Incident(IncidentFacts):
    """`incident_no` is what customers and staff call it."""

    incident_no: str = Field(pattern=r"^SJ\d{8}\d{3}$")
