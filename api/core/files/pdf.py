"""PDF: its structure, and nothing in it that does something when it is opened.

A PDF keeps its metadata (author, program, dates): rewriting it would break signatures, and a signed receipt is evidence.
What is encrypted inside a PDF cannot be looked at.
"""

import re
import zlib

from api.core.files.kinds import DAMAGED, Cleaned, Limits, Refusal

_TAIL = 2048  # bytes in which the end must stand; readers look in 1,024
_OBJECT_STREAM = re.compile(rb"/ObjStm\b[^>]{0,400}?>>\s*stream\r?\n", re.S)
_LONGEST_STREAM = 8 * 1024 * 1024  # of inflated objects; a page of text has kilobytes
_LONGEST_TOTAL = 64 * 1024 * 1024
_NAME_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_ACTIVE = re.compile(
    rb"/(?:JavaScript|JS|Launch|EmbeddedFiles?|RichMedia|XFA|SubmitForm|ImportData|GoToE)(?![A-Za-z0-9])"
)


def pdf(data: bytes, _limits: Limits) -> Cleaned:
    if not data.startswith(b"%PDF-") or b"startxref" not in data[-_TAIL:]:
        raise Refusal(DAMAGED)
    end = data.rfind(b"%%EOF")
    if end < 0 or data[end + 5 :].strip(b"\r\n\t \0"):
        raise Refusal(DAMAGED)  # cut off, or something else stands behind it
    if b"obj" not in data or _is_active(data) or any(_is_active(objects) for objects in _hidden_objects(data)):
        raise Refusal("file_active") if b"obj" in data else Refusal(DAMAGED)
    return Cleaned(data[: end + 5] + b"\n", "application/pdf", ("pdf",))


def _is_active(objects: bytes) -> bool:
    plain = _NAME_ESCAPE.sub(lambda match: bytes((int(match[1], 16),)), objects) if b"#" in objects else objects
    return _ACTIVE.search(plain) is not None


def _hidden_objects(data: bytes) -> list[bytes]:
    """Objects inside compressed streams, where names would otherwise go unseen."""
    found, total = [], 0
    for match in _OBJECT_STREAM.finditer(data):
        try:
            objects = zlib.decompressobj().decompress(data[match.end() :], _LONGEST_STREAM)
        except zlib.error:
            continue  # encrypted, or compressed in another way
        total += len(objects)
        if total > _LONGEST_TOTAL:
            raise Refusal(DAMAGED)
        found.append(objects)
    return found
