"""PDF: read by qpdf as a viewer reads it, and nothing in it that does something when it is opened.

A PDF keeps its metadata (author, program, dates): rewriting it would break signatures, and a signed receipt is evidence.
"""

import io
from collections.abc import Iterator

import pikepdf

from api.core.files.kinds import DAMAGED, Cleaned, Limits, Refusal

_TAIL = 2048  # bytes in which the end must stand; readers look in 1,024
_ACTIVE = frozenset(
    f"/{name}"
    for name in (
        "JavaScript", "JS", "Launch", "EmbeddedFile", "EmbeddedFiles", "RichMedia", "XFA", "SubmitForm", "ImportData", "GoToE",
    )
)  # fmt: skip


def pdf(data: bytes, _limits: Limits) -> Cleaned:
    if not data.startswith(b"%PDF-") or b"startxref" not in data[-_TAIL:]:
        raise Refusal(DAMAGED)
    end = data.rfind(b"%%EOF")
    if end < 0 or data[end + 5 :].strip(b"\r\n\t \0"):
        raise Refusal(DAMAGED)  # cut off, or something else stands behind it
    try:
        with pikepdf.open(io.BytesIO(data), suppress_warnings=True) as opened:
            active = any(_is_active(item) for item in _everything(opened))
    except pikepdf.PasswordError as error:
        raise Refusal("file_locked") from error
    except (pikepdf.PdfError, RecursionError) as error:
        raise Refusal(DAMAGED) from error
    if active:
        raise Refusal("file_active")
    return Cleaned(data[: end + 5] + b"\n", "application/pdf", ("pdf",))


def _everything(opened: pikepdf.Pdf) -> Iterator[pikepdf.Object]:
    """Each object of the file, those that nothing leads to as well; only of streams not the contents."""
    waiting: list[pikepdf.Object] = [opened.trailer, *opened.objects]
    while waiting:
        item = waiting.pop()
        yield item
        parts: Iterator[object] = iter(())
        if isinstance(item, pikepdf.Dictionary | pikepdf.Stream):
            parts = (item.get(key) for key in item.keys())  # noqa: SIM118 - iterating a stream is another thing
        elif isinstance(item, pikepdf.Array):
            parts = iter(item)
        # What is indirect is in `objects` itself.
        waiting.extend(part for part in parts if isinstance(part, pikepdf.Object) and not part.is_indirect)


def _is_active(item: pikepdf.Object) -> bool:
    if isinstance(item, pikepdf.Name):
        return str(item) in _ACTIVE
    return isinstance(item, pikepdf.Dictionary | pikepdf.Stream) and not _ACTIVE.isdisjoint(item.keys())
