"""A sender's file name as it may be kept and given out again."""

import re
import unicodedata
from pathlib import PurePosixPath

from api.core.redaction import scrub

LONGEST = 120  # characters, extension included; file systems take 255 bytes, and a Chinese character is three
_UNNAMED = "附件"
_FORBIDDEN = re.compile(r'[<>:"|?*]')  # not allowed in names on Windows, where staff save them


def safe_name(declared: str | None, extensions: tuple[str, ...]) -> str:
    """No path, no control or direction characters, no card or identity number, and an extension that fits the content.

    `extensions`: those of the kind that the file turned out to be, the usual one first.
    """
    name = unicodedata.normalize("NFC", declared or "").replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(char for char in name if unicodedata.category(char)[0] != "C")
    name = _FORBIDDEN.sub("x", scrub_filename(name)).strip(" .")
    path = PurePosixPath(name or _UNNAMED)
    suffix = path.suffix.lower().lstrip(".")
    stem = path.stem if suffix in extensions else path.name
    extension = suffix if suffix in extensions else extensions[0]
    return f"{stem[: LONGEST - len(extension) - 1].strip(' .') or _UNNAMED}.{extension}"


def scrub_filename(name: str) -> str:
    """`scrub` for a name: words and numbers are joined by underscores there, which hide nothing."""
    return scrub(name.replace("_", " ")).replace(" ", "_") if "_" in name else scrub(name)
