"""The base of every shape that crosses a border between rooms."""

import re
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

_WRITTEN = re.compile(r"\d{4}-\d\d-\d\d[T ]")


def _written_out(value: Any) -> Any:
    if isinstance(value, (int, float)) or (isinstance(value, str) and not _WRITTEN.match(value)):
        raise PydanticCustomError("datetime_parsing", "no RFC 3339 time")
    return value


# A time as RFC 3339 writes it; by itself pydantic takes a number for seconds since 1970.
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]


def _no_look_alike(value: Any) -> Any:
    if isinstance(value, (bool, str)):
        raise PydanticCustomError("int_type", "no number")
    return value


# A number as JSON writes it, so 3 and 3.0; by itself pydantic takes true and "3", too.
# Stands last: limits before it are described.
AS_NUMBER = BeforeValidator(_no_look_alike)
Whole = Annotated[int, AS_NUMBER]


def contradiction(reason: str) -> PydanticCustomError:
    """For validators of a whole: every part is as described, and together they cannot be."""
    return PydanticCustomError("contradiction", "{reason}", {"reason": reason})


class Frozen(BaseModel):
    """An immutable value that refuses unknown fields: a renamed field fails at the border, not later."""

    model_config = ConfigDict(frozen=True, extra="forbid")
