"""Ticket numbers: TS, the day, a number that grows within it, and a check digit that finds a mistyped one."""

import re
from datetime import date

from stdnum import luhn

_SHAPE = re.compile(r"^TS(\d{8})(\d{4,})(\d)$")


def ticket_number(day: date, sequence: int) -> str:
    digits = f"{day:%Y%m%d}{sequence:04d}"
    return f"TS{digits}{luhn.calc_check_digit(digits)}"


def normal_number(typed: str) -> str | None:
    """As people type it (spaces, lower case, full-width); None when it cannot be one of ours."""
    plain = re.sub(r"[\s\-]", "", typed.translate({code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)})).upper()
    match = _SHAPE.match(plain)
    return plain if match and luhn.is_valid(plain[2:]) else None
