"""Cleans one file in a process of its own: `python -m api.core.files.clean`, the order as JSON on stdin, the result on stdout.

Decoders of foreign files are where crashes and hunger for memory live. Here they end a short-lived process without secrets in
its environment and with bounds on memory and time, and never the bridge.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any

import puremagic

from api.core.files import images, media, pdf
from api.core.files.kinds import Clean, Cleaned, Limits, Refusal

_MEMORY = 2 * 1024**3  # bytes of address space; a HEIC of 48 megapixels takes 1.1 GB
_SECONDS = 45  # of processor time; a HEIC of 48 megapixels takes ten
_HEAD = 64 * 1024

# What puremagic calls a file by its first bytes -> who opens it for real. HEIC before MP4: both begin with `ftyp`.
_CLEANERS: tuple[tuple[frozenset[str], Clean], ...] = (
    (frozenset({".jpg", ".jpeg", ".jfif"}), images.jpeg),
    (frozenset({".png"}), images.png),
    (frozenset({".webp"}), images.webp),
    (frozenset({".heic", ".heif"}), images.heic),
    (frozenset({".pdf"}), pdf.pdf),
    (frozenset({".mp4", ".m4a", ".m4v", ".mov", ".f4a"}), media.mp4),
    (frozenset({".mp3", ".mpga"}), media.mp3),
    (frozenset({".amr"}), media.amr),
)


def clean(data: bytes, limits: Limits) -> Cleaned:
    """Raises Refusal. The kind is what the content is; names and declared types count for nothing."""
    if not data:
        raise Refusal("file_empty")
    looks = _looks_like(data)
    opener = next((opener for names, opener in _CLEANERS if names & looks), None)
    if opener is None:
        raise Refusal("file_type_unsupported")
    cleaned = opener(data, limits)
    sent = "image/heic" if opener is images.heic else cleaned.media_type
    if sent not in limits.bytes:
        raise Refusal("file_type_unsupported")
    if len(data) > limits.bytes[sent]:
        raise Refusal("file_too_large", f"这类文件最大 {limits.bytes[sent] // 1024**2} MB。")
    return cleaned


def _looks_like(data: bytes) -> set[str]:
    try:
        return {found.extension for found in puremagic.magic_string(data[:_HEAD])}
    except (puremagic.PureError, ValueError):
        return set()


def _obey(order: dict[str, Any]) -> dict[str, Any]:
    limits = Limits(bytes=order["bytes"], pixels=order["pixels"])
    try:
        cleaned = clean(Path(order["source"]).read_bytes(), limits)
    except Refusal as refusal:
        return {"refused": refusal.code, "says": refusal.says}
    except MemoryError:
        return {"refused": "image_too_large", "says": ""}
    try:
        Path(order["target"]).write_bytes(cleaned.data)
    except OSError:  # the disk is full, which is not the file's fault
        return {"refused": "file_store_unavailable", "says": ""}
    return {"media_type": cleaned.media_type, "extensions": cleaned.extensions}


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    json.dump(_obey(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
