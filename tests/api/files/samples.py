"""Small real files of each kind, made here: nobody's photo is in the repository."""

import io
import struct
import zlib

import pikepdf
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener(thumbnails=False)

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR" + b"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def picture(width: int = 48, height: int = 32) -> Image.Image:
    """Left half red, the upper right quarter blue: one sees which way is up."""
    image = Image.new("RGB", (width, height), "white")
    image.paste("red", (0, 0, width // 2, height))
    image.paste("blue", (width // 2, 0, width, height // 2))
    return image


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    written = io.BytesIO()
    image.save(written, format_, **options)
    return written.getvalue()


def photo(orientation: int = 1, format_: str = "JPEG", **options: object) -> bytes:
    """As a phone takes it: place, owner and device in EXIF, XMP, a comment, a thumbnail's worth of maker's notes."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "YuntingPhone"
    exif[0x013B] = "OwnerOfThePhone"
    gps = exif.get_ifd(0x8825)
    gps.update({1: "N", 2: (31.0, 14.0, 7.5), 3: "E", 4: (121.0, 28.0, 1.5), 29: "2026:11:20"})
    exif.get_ifd(0x8769)[0x927C] = b"MAKERNOTE" * 20
    if format_ == "JPEG":
        options |= {"comment": b"CommentOfTheCamera", "xmp": b"<x:xmpmeta>XmpOfTheCamera</x:xmpmeta>"}
    return saved(picture(), format_, exif=exif.tobytes(), **options)


TRACES = (
    b"YuntingPhone",
    b"OwnerOfThePhone",
    b"MAKERNOTE",
    b"CommentOfTheCamera",
    b"XmpOfTheCamera",
    b"Exif",
    b"2026:11:20",
)


def bomb(width: int, height: int, rows: int | None = None) -> bytes:
    """A black PNG of any size in few bytes; with fewer `rows` than it says, because making it would take as long as opening it."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    packed = b"".join(packer.compress(row) for _ in range(rows or height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _png(b"IHDR", head) + _png(b"IDAT", packed) + _png(b"IEND", b"")


def _png(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def pdf(*objects: bytes, contents: bytes = b"", password: str = "", packed: bool = False) -> bytes:
    """`objects` as PDF writes them, `contents` of an uncompressed stream; `packed` puts objects into compressed streams."""
    made = pikepdf.new()
    made.add_blank_page()
    made.Root.TsParts = made.make_indirect(
        pikepdf.Array([made.make_indirect(pikepdf.Object.parse(o)) for o in objects])
    )
    made.Root.TsStream = made.make_stream(contents)
    written = io.BytesIO()
    made.save(
        written,
        compress_streams=False,
        object_stream_mode=pikepdf.ObjectStreamMode.generate if packed else pikepdf.ObjectStreamMode.disable,
        encryption=pikepdf.Encryption(owner="owner", user=password) if password else False,
    )
    return written.getvalue()


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def film(brand: bytes = b"isom", handler: bytes = b"vide") -> bytes:
    """Boxes of a film with the place where it was taken."""
    track = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + handler + bytes(13))))
    place = box(b"udta", box(b"\xa9xyz", b"\0\x12\x15\xc7+31.2354+121.4671/"))
    moov = box(b"moov", box(b"mvhd", bytes(100)) + track + place)
    return box(b"ftyp", brand + bytes(4) + brand) + moov + box(b"mdat", b"PICTURESANDSOUND" * 8)


def song(frames: int = 20, tag: bytes = b"SingerAndPlace") -> bytes:
    """MPEG 1 layer III frames of silence behind an ID3 tag."""
    head = b"ID3\x03\0\0" + bytes((0, 0, 0, len(tag))) + tag
    return head + (b"\xff\xfb\x90\x00" + bytes(413)) * frames + b"TAG" + bytes(125)


def speech(frames: int = 20) -> bytes:
    return b"#!AMR\n" + (b"\x3c" + bytes(31)) * frames
