"""The formats that are read, and how a file's bytes say which one it is.

Each format has a module that walks the container itself, in bounded time, and
passes on only the parts that hold pixels. Text, colour profiles, thumbnails,
second pictures and animations never reach a decoder, so they cannot slow it
down, fill the memory or crash it. Orientation is the one piece of metadata that
is read.
"""

from collections.abc import Callable

from ..errors import UnsupportedFormat
from .isobmff import prepare_isobmff
from .jpeg import prepare_jpeg
from .png import prepare_png
from .prepared import PreparedImage
from .webp import prepare_webp

__all__ = ["FORMATS", "FORMAT_NAMES", "prepare"]

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF")
"""The formats that are read, as a photo names them."""

FORMAT_NAMES = "JPEG, PNG, WebP, HEIC or AVIF"
"""The formats as people know them, for messages."""

_PREPARE: dict[str, Callable[[bytes], PreparedImage]] = {
    "JPEG": prepare_jpeg,
    "PNG": prepare_png,
    "WEBP": prepare_webp,
    "HEIF": lambda data: prepare_isobmff(data, "HEIF"),
    "AVIF": lambda data: prepare_isobmff(data, "AVIF"),
}

_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF = {b"avif", b"avis"}
_NEUTRAL = {b"mif1", b"msf1"}


def prepare(data: bytes) -> PreparedImage:
    """Return the picture in a file's bytes, ready for a decoder.

    Raises:
        UnsupportedFormat: not one of ``FORMATS``.
        DamagedPhoto: one of those, but incomplete or broken.
        TooManyPixels: a progressive JPEG that would take too long.
    """
    name = _detect_format(data)
    if name is None:
        raise UnsupportedFormat(f"This file type isn't supported. Send a {FORMAT_NAMES} photo.")
    return _PREPARE[name](data)


def _detect_format(data: bytes) -> str | None:
    """Return the format by a file's first bytes, None if it is none of ``FORMATS``."""
    if data.startswith(b"\xff\xd8"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    return _detect_isobmff(data) if data[4:8] == b"ftyp" else None


def _detect_isobmff(data: bytes) -> str | None:
    """Return HEIF or AVIF by the brands that a box file claims, None for videos and the like."""
    major = data[8:12]
    brands = {major}
    if major in _NEUTRAL:
        end = min(int.from_bytes(data[:4], "big"), 256)
        brands |= {data[at : at + 4] for at in range(16, end, 4)}
    if brands & _AVIF:
        return "AVIF"
    return "HEIF" if brands & (_HEIF | _NEUTRAL) else None
