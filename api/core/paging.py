"""Cursors of keyset pages: opaque to the caller, and refused when somebody made one up."""

import base64
import binascii
import re

from api.core.errors import InvalidError


class BadCursorError(InvalidError):
    """A cursor that no page of ours gave out."""

    code, message = "invalid_cursor", "分页标记无效，请从第一页开始。"


def encode_cursor(*parts: str) -> str:
    return base64.urlsafe_b64encode("|".join(parts).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, count: int) -> list[str]:
    try:
        parts = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode().split("|")
    except (binascii.Error, ValueError) as error:
        raise BadCursorError from error
    if len(parts) != count:
        raise BadCursorError
    return parts


def position_of(cursor: str | None) -> int | None:
    """The number in a cursor of one number; None for the first page. Raises BadCursorError."""
    if cursor is None:
        return None
    (position,) = decode_cursor(cursor, 1)
    # Eighteen digits fit a column; int() alone would take other scripts' digits, too.
    if re.fullmatch(r"[0-9]{1,18}", position) is None:
        raise BadCursorError
    return int(position)
