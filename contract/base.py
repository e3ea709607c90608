"""The base of every shape that crosses a border between rooms."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable value that refuses unknown fields: a renamed field fails at the border, not later."""

    model_config = ConfigDict(frozen=True, extra="forbid")
