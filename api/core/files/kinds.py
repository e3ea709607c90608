"""The kinds of files there are a cleaner for. What an organisation takes of them is data (playbook/evidence.yml)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """`bytes` by media type: how large each may be, and thereby which are taken at all."""

    bytes: Mapping[str, int]
    pixels: int


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The bytes as they may be kept; `extensions` with the usual one first."""

    data: bytes
    media_type: str
    extensions: tuple[str, ...]


class Refusal(Exception):  # noqa: N818 - it crosses a process as its code, and becomes an error of api.core.files.errors there
    """`code` of an error in `errors.py`; `says` is added to its sentence."""

    def __init__(self, code: str, says: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.says = says


DAMAGED = "file_damaged"

Clean = Callable[[bytes, Limits], Cleaned]
