"""What a photo's bytes say before anything is decoded.

Each reader walks the container itself, in bounded time, and hands on only the
parts that hold pixels. Text, colour profiles, thumbnails, second pictures and
animations never reach a decoder, so they cannot slow it down, fill the memory
or upset it. Orientation is the one piece of metadata that is read.
"""

from ..errors import UnsupportedFormat
from .av1 import BrokenItem
from .isobmff import BrokenBoxes, CutBoxes, picture_only
from .jpeg import strip_jpeg
from .png import strip_png
from .prepared import PreparedImage, cut_short, damaged
from .webp import strip_webp

__all__ = ["FORMATS", "PreparedImage", "cut_short", "damaged", "strip"]

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF")
"""The formats that are read, as a photo names them."""

_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF = {b"avif", b"avis"}
_NEUTRAL = {b"mif1", b"msf1"}


def strip(data: bytes) -> PreparedImage:
    """The picture in a file's bytes, found by its first bytes and never by a name.

    Raises:
        UnsupportedFormat: not a JPEG, PNG, WebP, HEIC or AVIF file.
        DamagedPhoto: one of those, but cut short or broken.
        TooManyPixels: a progressive JPEG that would take too long.
    """
    if data.startswith(b"\xff\xd8"):
        return strip_jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return strip_png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return strip_webp(data)
    if data[4:8] == b"ftyp" and (form := _brand(data)):
        return _boxed(data, form)
    raise UnsupportedFormat(
        "I can't read that kind of file. Send a photo as JPEG, PNG, WebP, HEIC or AVIF."
    )


def _brand(data: bytes) -> str | None:
    """HEIF or AVIF by the brands that a box file claims, None for films and the like."""
    major = data[8:12]
    brands = {major}
    if major in _NEUTRAL:
        end = min(int.from_bytes(data[:4], "big"), 256)
        brands |= {data[at : at + 4] for at in range(16, end, 4)}
    if brands & _AVIF:
        return "AVIF"
    return "HEIF" if brands & (_HEIF | _NEUTRAL) else None


def _boxed(data: bytes, form: str) -> PreparedImage:
    try:
        picture, coded = picture_only(data)
        return PreparedImage(form, picture, coded=coded)
    except CutBoxes:
        raise cut_short() from None
    except (BrokenBoxes, BrokenItem):
        raise damaged() from None
