"""What is refused, and what remains of a file that is taken."""

import io
import os
import zipfile
from pathlib import Path

import pikepdf
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from api.core.files.clean import clean
from api.core.files.cleaner import Cleaner
from api.core.files.errors import DamagedFileError, EmptyFileError, FileTooLargeError, TooManyPixelsError
from api.core.files.kinds import Cleaned, Limits, Refusal
from contract.playbook_loader import load_playbook
from tests.api.files import samples
from tests.api.files.samples import box, film, pdf, photo, picture, saved, song, speech

_RULES = load_playbook(Path(__file__).resolve().parents[3] / "playbook").evidence
LIMITS = Limits(bytes=_RULES.bytes_by_type, pixels=_RULES.largest_megapixels * 1_000_000)


def refused(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(Refusal) as caught:
        clean(data, limits)
    return caught.value.code


def opened(cleaned: Cleaned) -> Image.Image:
    return Image.open(io.BytesIO(cleaned.data))


def archive() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as file:
        file.writestr("payload.html", "<script>alert(1)</script>")
    return written.getvalue()


# Refused


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "file_empty"),
        (archive(), "file_type_unsupported"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "file_type_unsupported"),
        (b"<!doctype html><script>alert(1)</script>", "file_type_unsupported"),
        (b"MZ" + bytes(200), "file_type_unsupported"),
        (b"#!/bin/sh\nrm -rf /\n", "file_type_unsupported"),
        ("只是一段文字".encode(), "file_type_unsupported"),
        (saved(picture(), "GIF"), "file_type_unsupported"),
        (saved(picture(), "TIFF"), "file_type_unsupported"),
        (photo()[:400], "file_damaged"),
        (b"\xff\xd8\xff\xe0" + archive(), "file_damaged"),
        (saved(picture(), "PNG")[:60], "file_damaged"),
        (b"RIFF\x10\0\0\0WEBPVP8 " + bytes(50), "file_damaged"),
        (samples.bomb(7072, 7072), "image_too_large"),
        (samples.bomb(60_000, 60_000, rows=1), "image_too_large"),
        (saved(picture(), "PNG", save_all=True, append_images=[picture(48, 32).rotate(180)]), "image_animated"),
        (saved(picture(), "WEBP", save_all=True, append_images=[picture(48, 32).rotate(180)]), "image_animated"),
        (b"%PDF-1.4\n<html><script>alert(1)</script></html>", "file_damaged"),
        (pdf()[:-7], "file_damaged"),
        (pdf() + archive(), "file_damaged"),
        (pdf(b"<< /S /JavaScript /JS (app.alert(1)) >>"), "file_active"),
        (pdf(b"<< /S /JavaScript >>").replace(b"/JavaScript", b"/J#61vaScript"), "file_active"),
        (pdf(b"<< /S /Launch /F (cmd.exe) >>"), "file_active"),
        (pdf(b"<< /Names << /EmbeddedFiles <<>> >> >>"), "file_active"),
        (pdf(b"<< /A [ << /S /JavaScript /JS (x) >> ] >>", packed=True), "file_active"),
        (pdf(password="123456"), "file_locked"),
        (film() + archive(), "file_damaged"),
        (film()[:-9], "file_damaged"),
        (box(b"ftyp", b"isom" + bytes(4)) + box(b"mdat", bytes(64)), "file_damaged"),
        (film(handler=b"text"), "file_damaged"),
        (song(frames=2), "file_damaged"),
        (song() + archive() + bytes(5000), "file_damaged"),
        (b"#!AMR\n" + b"\x3c" + bytes(5), "file_damaged"),
        (b"#!AMR\n<script>alert(1)</script>" + b"<b>more</b>" * 9, "file_damaged"),
    ],
)  # fmt: skip
def test_what_is_not_what_it_should_be_is_refused(data: bytes, code: str) -> None:
    assert refused(data) == code


def test_a_kind_that_the_playbook_does_not_name_is_refused() -> None:
    only_pictures = Limits(bytes={"image/png": 10_000_000}, pixels=1_000_000)
    assert refused(pdf(), only_pictures) == "file_type_unsupported"
    assert refused(photo(), only_pictures) == "file_type_unsupported"
    assert refused(saved(picture(), "HEIF"), Limits({"image/jpeg": 10**7}, 10**6)) == "file_type_unsupported"


def test_each_kind_has_a_size_of_its_own() -> None:
    assert refused(song(), Limits({"audio/mpeg": 1000}, 10**6)) == "file_too_large"


# What remains


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_loses_place_and_owner_and_stands_upright(orientation: int) -> None:
    raw = photo(orientation)
    assert all(trace in raw for trace in samples.TRACES)
    cleaned = clean(raw, LIMITS)
    assert cleaned.media_type == "image/jpeg"
    assert not [trace for trace in (*samples.TRACES, b"http://ns.adobe.com", b"Photoshop") if trace in cleaned.data]
    with opened(cleaned) as image:
        assert not dict(image.getexif())
        assert not {"exif", "xmp", "comment", "icc_profile", "photoshop"} & set(image.info)
        with Image.open(io.BytesIO(raw)) as before:
            expected = ImageOps.exif_transpose(before).convert("RGB")
        assert image.size == expected.size
        x, y = expected.width // 4, expected.height // 4
        spots = [(x, y), (3 * x, y), (x, 3 * y), (3 * x, 3 * y)]
        pairs = [zip(image.getpixel(spot), expected.getpixel(spot), strict=True) for spot in spots]
        assert all(abs(one - other) < 24 for pair in pairs for one, other in pair)


def test_a_jpeg_is_compressed_as_it_was() -> None:
    raw = saved(Image.effect_noise((200, 150), 60).convert("RGB"), "JPEG", quality=83, subsampling=2)
    cleaned = clean(raw, LIMITS)
    with Image.open(io.BytesIO(raw)) as before, opened(cleaned) as after:
        assert after.quantization == before.quantization
        difference = max(abs(one - other) for one, other in zip(before.tobytes(), after.tobytes(), strict=True))
    assert difference <= 24  # of 255, at the worst single value of a picture of noise


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_what_is_appended_to_a_picture_is_gone(format_: str) -> None:
    cleaned = clean(saved(picture(), format_) + archive() + b"<script>alert(1)</script>", LIMITS)
    assert b"PK\x03\x04" not in cleaned.data
    assert b"<script>" not in cleaned.data


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA", "1", "I;16"])
def test_a_png_keeps_every_pixel(mode: str) -> None:
    told = PngImagePlugin.PngInfo()
    told.add_text("Author", "OwnerOfThePhone")
    told.add_itxt("XML:com.adobe.xmp", "<x>XmpOfTheCamera</x>")
    image = Image.effect_noise((40, 30), 50)
    image = image.convert("I;16") if mode == "I;16" else image.convert("RGB").convert(mode)
    raw = saved(image, "PNG", pnginfo=told, exif=Image.Exif().tobytes())
    cleaned = clean(raw, LIMITS)
    assert not [trace for trace in (b"Owner", b"Xmp", b"eXIf", b"tEXt", b"iTXt") if trace in cleaned.data]
    with Image.open(io.BytesIO(raw)) as before, opened(cleaned) as after:
        assert (after.mode, after.convert("RGBA").tobytes()) == (before.mode, before.convert("RGBA").tobytes())


def test_a_transparent_colour_stays_transparent() -> None:
    image = picture().quantize(8)
    cleaned = clean(saved(image, "PNG", transparency=0), LIMITS)
    with opened(cleaned) as after:
        assert after.info.get("transparency") is not None


@pytest.mark.parametrize("format_", ["WEBP", "PNG", "HEIF"])
def test_exif_goes_from_every_format(format_: str) -> None:
    raw = photo(format_=format_)
    assert b"OwnerOfThePhone" in raw
    cleaned = clean(raw, LIMITS)
    assert not [trace for trace in samples.TRACES if trace in cleaned.data]


def test_a_heic_photo_becomes_a_jpeg() -> None:
    cleaned = clean(photo(format_="HEIF"), LIMITS)
    assert (cleaned.media_type, cleaned.extensions[0]) == ("image/jpeg", "jpg")
    with opened(cleaned) as image:
        assert image.size == picture().size
        assert image.getpixel((5, 5))[0] > 200


def test_a_lossless_webp_stays_lossless() -> None:
    image = Image.effect_noise((40, 30), 50).convert("RGB")
    cleaned = clean(saved(image, "WEBP", lossless=True), LIMITS)
    with opened(cleaned) as after:
        assert after.tobytes() == image.tobytes()


def test_colours_of_another_profile_are_brought_to_srgb() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for icc in (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), profile, b"no profile at all" * 20):
        cleaned = clean(saved(picture(), "JPEG", icc_profile=icc), LIMITS)
        with opened(cleaned) as image:
            assert "icc_profile" not in image.info
            assert image.getpixel((5, 5))[0] > 200


def test_a_cmyk_scan_becomes_rgb() -> None:
    with opened(clean(saved(picture().convert("CMYK"), "JPEG"), LIMITS)) as image:
        assert (image.mode, image.getpixel((5, 5))[0] > 200) == ("RGB", True)


@pytest.mark.parametrize(
    ("brand", "handler", "media_type", "extension"),
    [
        (b"isom", b"vide", "video/mp4", "mp4"),
        (b"qt  ", b"vide", "video/quicktime", "mov"),
        (b"M4A ", b"soun", "audio/mp4", "m4a"),
        (b"mp42", b"soun", "audio/mp4", "m4a"),
    ],
)
def test_a_film_loses_its_place_and_nothing_else(brand: bytes, handler: bytes, media_type: str, extension: str) -> None:
    raw = film(brand, handler)
    cleaned = clean(raw, LIMITS)
    assert (cleaned.media_type, cleaned.extensions[0]) == (media_type, extension)
    assert b"+31.2354+121.4671/" in raw
    assert b"+31.2354" not in cleaned.data
    assert len(cleaned.data) == len(raw)
    assert cleaned.data.index(b"PICTURESANDSOUND" * 8) == raw.index(b"PICTURESANDSOUND" * 8)


def test_a_recording_loses_its_tags() -> None:
    cleaned = clean(song(), LIMITS)
    assert (cleaned.media_type, len(cleaned.data)) == ("audio/mpeg", 20 * 417)
    assert clean(speech() + b"\x3c\0", LIMITS).data == speech()


def test_a_pdf_is_kept_as_it_is() -> None:
    signed = pdf(b"<< /Type /Catalog /OpenAction [0 /Fit] >>", b"<< /Author (x) /JSONName 1 >>")
    assert clean(signed + b"\r\n \0", LIMITS).data == signed


def test_what_a_stream_holds_by_chance_is_no_script() -> None:
    """In a scan of three megabytes `/JS` stands with a probability of a sixth."""
    scan = pdf(contents=os.urandom(2000) + b"/JS (x) /Launch" + os.urandom(2000))
    assert clean(scan, LIMITS).data == scan


def test_a_pdf_that_only_forbids_changes_can_be_looked_into() -> None:
    """As banks issue statements: anybody may open them."""
    made = pikepdf.new()
    made.add_blank_page()
    made.Root.TsScript = pikepdf.Object.parse(b"<< /S /JavaScript >>")
    for script in (True, False):
        if not script:
            del made.Root.TsScript
        written = io.BytesIO()
        made.save(written, encryption=pikepdf.Encryption(owner="owner", user=""))
        if script:
            assert refused(written.getvalue()) == "file_active"
        else:
            assert clean(written.getvalue(), LIMITS).data == written.getvalue()


# In a process of its own


async def test_the_cleaner_answers_for_its_process(tmp_path: Path) -> None:
    cleaner, source, target = Cleaner(LIMITS), tmp_path / "in", tmp_path / "out"
    source.write_bytes(photo())
    verdict = await cleaner.clean(source, target)
    assert (verdict.media_type, verdict.extensions) == ("image/jpeg", ("jpg", "jpeg"))
    assert target.read_bytes() == clean(photo(), LIMITS).data
    for data, error in ((b"", EmptyFileError), (samples.bomb(7072, 7072), TooManyPixelsError)):
        source.write_bytes(data)
        with pytest.raises(error):
            await cleaner.clean(source, target)


async def test_the_sentence_says_how_large_a_file_may_be(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_bytes(song(frames=3000))
    with pytest.raises(FileTooLargeError, match="最大 1 MB"):
        await Cleaner(Limits({"audio/mpeg": 1024**2}, 10**6)).clean(source, tmp_path / "out")


async def test_a_file_that_kills_its_decoder_is_a_damaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "in"
    source.write_bytes(photo())
    monkeypatch.setattr("api.core.files.cleaner._SECONDS", 0.01)
    with pytest.raises(DamagedFileError):
        await Cleaner(LIMITS).clean(source, tmp_path / "out")
