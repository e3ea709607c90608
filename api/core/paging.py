"""Cursors of keyset pages: the caller gives back what it got; what no page could have given is refused."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Query
from pydantic import WithJsonSchema

from api.core.errors import InvalidError

# Digits that fit a column; int() alone would take other scripts' digits, too.
_NUMBER = r"^[0-9]{1,18}$"
_MOMENT = r"^[0-9]{1,16}\.[A-Za-z0-9_-]{1,64}$"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _told(pattern: str) -> Any:
    return WithJsonSchema({"type": "string", "pattern": pattern})


Cursor = Annotated[Annotated[str, _told(_NUMBER)] | None, Query(description="上一页给出的分页标记，原样交回")]
MomentCursor = Annotated[Annotated[str, _told(_MOMENT)] | None, Query(description="上一页给出的分页标记，原样交回")]


class BadCursorError(InvalidError):
    """A cursor that no page of ours gave out."""

    code, message = "invalid_cursor", "分页标记无效，请从第一页开始。"


def cursor_of(position: int) -> str:
    return str(position)


def position_of(cursor: str | None) -> int | None:
    """The number in a cursor of one number; None for the first page. Raises BadCursorError."""
    if cursor is None:
        return None
    if re.fullmatch(_NUMBER, cursor) is None:
        raise BadCursorError
    return int(cursor)


def moment_cursor_of(moment: datetime, last_id: str) -> str:
    return f"{(moment - _EPOCH) // _MICROSECOND}.{last_id}"


def moment_of(cursor: str | None) -> tuple[datetime, str] | None:
    """The moment and the id in a cursor of these two; None for the first page. Raises BadCursorError."""
    if cursor is None:
        return None
    if re.fullmatch(_MOMENT, cursor) is None:
        raise BadCursorError
    microseconds, _, last_id = cursor.partition(".")
    return _EPOCH + int(microseconds) * _MICROSECOND, last_id
