"""The table of supported formats, and their detection from a file's first bytes.

Each format has a module that parses the container itself, in bounded time, and
passes on only the parts that hold pixels. Text, colour profiles, thumbnails,
second pictures and animations never reach a decoder, so they cannot slow it
down, fill the memory or crash it. Orientation is the one piece of metadata that
is read.
"""

from collections.abc import Callable
from typing import NamedTuple

from ..errors import UnsupportedFormat
from .bmp import DIB_HEADER_SIZES, prepare_bmp
from .gif import prepare_gif
from .isobmff import prepare_isobmff
from .jpeg import prepare_jpeg
from .png import prepare_png
from .prepared import PreparedImage
from .tiff import prepare_tiff
from .webp import prepare_webp

__all__ = ["FORMATS", "FORMAT_NAMES", "SIGNATURE_BYTES", "SUFFIXES", "detect_format", "prepare"]

SIGNATURE_BYTES = 256
"""Number of leading bytes that ``detect_format`` needs."""


class _Format(NamedTuple):
    """A format: its displayed name, its usual suffixes, its parser."""

    title: str
    suffixes: tuple[str, ...]
    prepare: Callable[[bytes], PreparedImage]


_FORMATS = {
    "JPEG": _Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), prepare_jpeg),
    "PNG": _Format("PNG", (".png", ".apng"), prepare_png),
    "WEBP": _Format("WebP", (".webp",), prepare_webp),
    "HEIF": _Format("HEIC", (".heic", ".heif", ".hif"), lambda data: prepare_isobmff(data, "HEIF")),
    "AVIF": _Format("AVIF", (".avif",), lambda data: prepare_isobmff(data, "AVIF")),
    "GIF": _Format("GIF", (".gif",), prepare_gif),
    "BMP": _Format("BMP", (".bmp", ".dib"), prepare_bmp),
    "TIFF": _Format("TIFF", (".tif", ".tiff"), prepare_tiff),
}

FORMATS = tuple(_FORMATS)
"""The formats that are read, as Pillow and ``Photo.format`` name them."""

_TITLES = [entry.title for entry in _FORMATS.values()]
FORMAT_NAMES = f"{', '.join(_TITLES[:-1])} or {_TITLES[-1]}"
"""The formats' displayed names, for messages: "JPEG, PNG, … or TIFF"."""

SUFFIXES = frozenset(suffix for entry in _FORMATS.values() for suffix in entry.suffixes)
"""Lower-case suffixes of photos. They only select files: the format follows from the bytes."""

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}
_NEUTRAL_BRANDS = {b"mif1", b"msf1"}


def prepare(data: bytes) -> PreparedImage:
    """Return the picture in a file's bytes, ready for a decoder.

    Raises:
        UnsupportedFormat: not one of ``FORMATS``, or in a rare encoding.
        DamagedPhoto: in a supported format, but incomplete or broken.
        TooManyPixels: a progressive JPEG that would take too long.
    """
    name = detect_format(data)
    if name is None:
        raise UnsupportedFormat(f"This file type isn't supported. Send a {FORMAT_NAMES} photo.")
    return _FORMATS[name].prepare(data)


def detect_format(data: bytes) -> str | None:
    """Return the format that a file's first bytes show, None if it is none of ``FORMATS``.

    The first ``SIGNATURE_BYTES`` bytes are enough.
    """
    if data.startswith(b"\xff\xd8"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _detect_isobmff(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in DIB_HEADER_SIZES:
        return "BMP"
    # 42 is TIFF, 43 is BigTIFF.
    return "TIFF" if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")) else None


def _detect_isobmff(data: bytes) -> str | None:
    """Return HEIF or AVIF by the brands of a box file, None for videos and the like."""
    major = data[8:12]
    brands = {major}
    if major in _NEUTRAL_BRANDS:
        end = min(int.from_bytes(data[:4], "big"), SIGNATURE_BYTES)
        brands |= {data[at : at + 4] for at in range(16, end, 4)}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIF" if brands & (_HEIF_BRANDS | _NEUTRAL_BRANDS) else None
