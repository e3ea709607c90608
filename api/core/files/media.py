"""Sound and film: walked from the first byte to the last, so that nothing else hides in or behind them.

What tells where and by whom it was recorded goes: location and tags of MP4 and MOV, ID3 of MP3. Pictures and sound stay bit
for bit, and so do the times of recording.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from api.core.files.kinds import DAMAGED, Cleaned, Limits, Refusal

# MP4 and MOV (ISO 14496-12)

_INSIDE = (b"moov", b"trak", b"mdia")  # boxes whose children matter here
_TALK = frozenset({b"udta", b"meta", b"uuid", b"free", b"skip", b"wide"})  # said about the film, or room for anything
_TOP = _TALK | {
    b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"styp", b"pdin", b"emsg", b"ssix", b"prft", b"pnot",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int
    body: int
    end: int


def mp4(data: bytes, _limits: Limits) -> Cleaned:
    """Location and tags are overwritten in place with `free` boxes of the same length: no offset changes."""
    top = list(_boxes(data, 0, len(data)))
    names = {box.kind for box in top}
    if not top or top[0].kind != b"ftyp" or not names <= _TOP or b"moov" not in names or not names & {b"mdat", b"moof"}:
        raise Refusal(DAMAGED)
    tracks = _tracks(data, top)
    if not tracks & {b"vide", b"soun"}:
        raise Refusal(DAMAGED)
    cleaned = bytearray(data)
    for box in _talk(data, top):
        cleaned[box.start + 4 : box.start + 8] = b"free"
        cleaned[box.body : box.end] = bytes(box.end - box.body)
    brand = data[top[0].body : top[0].body + 4]
    if b"vide" not in tracks:
        return Cleaned(bytes(cleaned), "audio/mp4", ("m4a", "mp4"))
    if brand == b"qt  ":
        return Cleaned(bytes(cleaned), "video/quicktime", ("mov",))
    return Cleaned(bytes(cleaned), "video/mp4", ("mp4", "m4v"))


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    """Boxes side by side that fill the span exactly."""
    while start < end:
        if end - start < 8:
            if any(data[start:end]):
                raise Refusal(DAMAGED)
            return  # QuickTime ends a list with four zero bytes
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1 and end - start >= 16:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        size = end - start if size == 0 else size
        if size < body - start or start + size > end:
            raise Refusal(DAMAGED)
        yield _Box(kind, start, body, start + size)
        start += size


def _talk(data: bytes, boxes: list[_Box]) -> Iterator[_Box]:
    for box in boxes:
        if box.kind in _TALK:
            yield box
        elif box.kind in _INSIDE:
            yield from _talk(data, list(_boxes(data, box.body, box.end)))


def _tracks(data: bytes, boxes: list[_Box]) -> set[bytes]:
    """What the tracks hold: `vide`, `soun` and others."""
    found = set()
    for box in boxes:
        if box.kind in _INSIDE:
            found |= _tracks(data, list(_boxes(data, box.body, box.end)))
        elif box.kind == b"hdlr":
            found.add(data[box.body + 8 : box.body + 12])
    return found


# MP3

_RATES = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1, kbit/s
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2
    0: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2.5
}
_SAMPLES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_FEWEST_FRAMES = 3  # in a row: two bytes of a frame's head occur by chance
_LOOSE_TAIL = 4096  # bytes: a frame cut off, or a tag of another kind


def mp3(data: bytes, _limits: Limits) -> Cleaned:
    start = _after_id3(data)
    position, frames = start, 0
    while size := _frame(data, position):
        position, frames = position + size, frames + 1
    if frames < _FEWEST_FRAMES or len(_without_tags(data[position:])) > _LOOSE_TAIL:
        raise Refusal(DAMAGED)
    return Cleaned(data[start:position], "audio/mpeg", ("mp3",))


def _after_id3(data: bytes) -> int:
    """Where the sound begins; a tag gives its length in four times seven bits."""
    start = 0
    while data[start : start + 3] == b"ID3" and len(data) >= start + 10:
        length = 0
        for byte in data[start + 6 : start + 10]:
            length = length << 7 | byte & 0x7F
        start += 10 + length + (10 if data[start + 5] & 0x10 else 0)
    while start < len(data) and data[start] == 0:
        start += 1
    return start


def _frame(data: bytes, position: int) -> int:
    """Length of the layer III frame there; 0 when there is none that is whole."""
    if len(data) - position < 4:
        return 0
    (head,) = struct.unpack_from(">I", data, position)
    version, layer, rate, sample = head >> 19 & 3, head >> 17 & 3, head >> 12 & 15, head >> 10 & 3
    if head >> 21 != 0x7FF or version == 1 or layer != 1 or rate in (0, 15) or sample == 3:
        return 0
    factor = 144_000 if version == 3 else 72_000
    size = factor * _RATES[version][rate] // _SAMPLES[version][sample] + (head >> 9 & 1)
    return size if position + size <= len(data) else 0


def _without_tags(tail: bytes) -> bytes:
    if tail[-128:-125] == b"TAG":
        tail = tail[:-128]
    return b"" if tail.startswith((b"APETAGEX", b"LYRICSBEGIN")) else tail


# AMR (RFC 4867, 5)

_AMR_FRAMES = {
    b"#!AMR\n": (13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1),
    b"#!AMR-WB\n": (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1),
}


def amr(data: bytes, _limits: Limits) -> Cleaned:
    for head, sizes in _AMR_FRAMES.items():
        if data.startswith(head):
            position = len(head)
            while size := _amr_frame(data, position, sizes):
                position += size
            if position == len(head) or len(data) - position >= max(sizes):
                break
            return Cleaned(data[:position], "audio/amr", ("amr",))
    raise Refusal(DAMAGED)


def _amr_frame(data: bytes, position: int, sizes: tuple[int, ...]) -> int:
    """Length of the frame there; 0 when there is none that is whole. The first and the last two bits of its head are zero."""
    if position >= len(data) or data[position] & 0b1000_0011:
        return 0
    size = sizes[data[position] >> 3 & 15]
    return size if position + size <= len(data) else 0
