"""Images: decoded and written anew, so that nothing but pixels remains (no EXIF, GPS, XMP, IPTC, comment, thumbnail, tail).

JPEG keeps its quantisation tables and sampling, so that nothing is lost that one could see. Colours of another profile are
brought to sRGB, because a profile is a place for foreign bytes, too. HEIC becomes JPEG: browsers and Windows cannot show it.
"""

import io
from typing import Any

import pillow_heif
from PIL import Image, ImageCms, ImageOps, JpegImagePlugin
from PIL.Image import DecompressionBombError

from api.core.files.kinds import DAMAGED, Cleaned, Limits, Refusal

_JPEG = ("jpg", "jpeg")
_FORMATS = {
    "image/jpeg": ("JPEG", "MPO"),  # MPO: phones put the depth or a second picture behind the first
    "image/png": ("PNG",),
    "image/webp": ("WEBP",),
    "image/heic": ("HEIF",),
}
_QUALITY = 92  # of what has no tables to keep

pillow_heif.register_heif_opener(thumbnails=False)


def jpeg(data: bytes, limits: Limits) -> Cleaned:
    return _clean(data, limits, "image/jpeg")


def png(data: bytes, limits: Limits) -> Cleaned:
    return _clean(data, limits, "image/png")


def webp(data: bytes, limits: Limits) -> Cleaned:
    return _clean(data, limits, "image/webp")


def heic(data: bytes, limits: Limits) -> Cleaned:
    return _clean(data, limits, "image/heic")


def _clean(data: bytes, limits: Limits, kind: str) -> Cleaned:
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS[kind]) as image:
            if image.width * image.height > limits.pixels:
                raise Refusal("image_too_large", f"最大 {limits.pixels // 1_000_000} 百万像素。")
            # Only of formats that move: an MPO or a HEIC with several pictures shows its first one everywhere.
            if kind in ("image/png", "image/webp") and getattr(image, "n_frames", 1) > 1:
                raise Refusal("image_animated")
            image.load()
            return _written(image, kind, data)
    except DecompressionBombError as error:
        raise Refusal("image_too_large") from error
    except (OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, TypeError, ArithmeticError) as error:
        # Pillow's decoders raise all of these for broken input.
        raise Refusal(DAMAGED) from error


def _written(image: Image.Image, kind: str, data: bytes) -> Cleaned:
    tables = _tables(image)
    pixels = _bare(image)
    if kind == "image/png":
        return Cleaned(_saved(pixels, "PNG"), kind, ("png",))
    if kind == "image/webp":
        lossless = b"VP8L" in data[:64]
        return Cleaned(_saved(pixels, "WEBP", lossless=lossless, quality=_QUALITY), kind, ("webp",))
    if pixels.mode not in ("RGB", "L"):
        pixels = _on_white(pixels)
    if pixels.mode != tables.pop("mode", pixels.mode):
        tables = {}
    options = tables or {"quality": _QUALITY}
    return Cleaned(_saved(pixels, "JPEG", optimize=True, **options), "image/jpeg", _JPEG)


def _tables(image: Image.Image) -> dict[str, Any]:
    """How a JPEG was compressed, to compress it the same way again."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or image.mode not in ("RGB", "L"):
        return {}
    return {
        "mode": image.mode,
        "qtables": image.quantization,
        "subsampling": JpegImagePlugin.get_sampling(image) if image.mode == "RGB" else -1,
    }


def _bare(image: Image.Image) -> Image.Image:
    """Turned as it is meant to be seen, in sRGB, and without anything that is said about it."""
    profile = image.info.get("icc_profile")
    transparency = image.info.get("transparency")
    pixels = ImageOps.exif_transpose(image)
    if profile and pixels.mode in ("RGB", "RGBA", "CMYK"):
        pixels = _in_srgb(pixels, profile)
    bare = pixels.copy()
    bare.info = {} if transparency is None else {"transparency": transparency}
    return bare


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "RGB" if image.mode == "CMYK" else image.mode
        turned = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a broken profile: shown as it is everywhere else, too
    return image if turned is None else turned


def _on_white(image: Image.Image) -> Image.Image:
    """JPEG knows no transparency."""
    if "A" not in image.getbands():
        return image.convert("RGB")
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    written = io.BytesIO()
    image.save(written, format_, **options)
    return written.getvalue()
