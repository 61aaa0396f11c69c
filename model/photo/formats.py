"""The table of supported formats, and their detection from a file's first bytes.

Each format has a module that parses the container itself, in bounded time, and
passes on only the parts that hold pixels. Text, colour profiles, thumbnails,
second pictures and animations never reach a decoder, so they cannot slow it
down, fill the memory or crash it. Orientation is the one piece of metadata that
is read.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from ..errors import UnsupportedFormat
from .bmp import prepare_bmp
from .gif import prepare_gif
from .isobmff import detect_isobmff, prepare_isobmff
from .jpeg import prepare_jpeg
from .png import prepare_png
from .prepared import PreparedImage
from .tiff import prepare_tiff
from .webp import prepare_webp

__all__ = [
    "BYTES_PER_PIXEL",
    "FORMATS",
    "FORMAT_NAMES",
    "SIGNATURE_BYTES",
    "SUFFIXES",
    "detect_format",
    "prepare",
]

SIGNATURE_BYTES = 256
"""Number of leading bytes that ``detect_format`` needs."""


class _Format(NamedTuple):
    """A format: its displayed name, its usual suffixes, how a file is recognised and parsed.

    ``bytes_per_pixel`` is the memory per decoded pixel at the peak of decoding, for grey or RGB
    and for other modes; measured at 25 megapixels, with the copies of rotation and conversion.
    """

    title: str
    suffixes: tuple[str, ...]
    matches: Callable[[bytes], object]
    prepare: Callable[[bytes], PreparedImage]
    bytes_per_pixel: tuple[float, float]


def _begins(pattern: bytes) -> Callable[[bytes], object]:
    return re.compile(pattern, re.DOTALL).match


def _box_file(name: str, *suffixes: str, peak: tuple[float, float], title: str = "") -> _Format:
    return _Format(
        title or name,
        suffixes,
        lambda data: detect_isobmff(data[:SIGNATURE_BYTES]) == name,
        lambda data: prepare_isobmff(data, name),
        peak,
    )


_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")
_BMP = rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0"
_FORMATS = {
    "JPEG": _Format("JPEG", _JPEG, _begins(rb"\xff\xd8"), prepare_jpeg, (5.2, 8.3)),
    "PNG": _Format(
        "PNG", (".png", ".apng"), _begins(rb"\x89PNG\r\n\x1a\n"), prepare_png, (5.4, 8.5)
    ),
    "WEBP": _Format("WebP", (".webp",), _begins(rb"RIFF.{4}WEBP"), prepare_webp, (16.2, 16.8)),
    "HEIF": _box_file("HEIF", ".heic", ".heif", ".hif", peak=(7.7, 8.6), title="HEIC"),
    "AVIF": _box_file("AVIF", ".avif", peak=(10.9, 13.5)),
    "GIF": _Format("GIF", (".gif",), _begins(rb"GIF8[79]a"), prepare_gif, (5.6, 8.6)),
    "BMP": _Format("BMP", (".bmp", ".dib"), _begins(_BMP), prepare_bmp, (5.4, 8.5)),
    # 42 is TIFF, 43 is BigTIFF.
    "TIFF": _Format(
        "TIFF", (".tif", ".tiff"), _begins(rb"II[*+]\0|MM\0[*+]"), prepare_tiff, (5.4, 8.5)
    ),
}

FORMATS = tuple(_FORMATS)
"""The formats that are read, as Pillow and ``Photo.format`` name them."""

BYTES_PER_PIXEL = {name: entry.bytes_per_pixel for name, entry in _FORMATS.items()}

_TITLES = [entry.title for entry in _FORMATS.values()]
FORMAT_NAMES = f"{', '.join(_TITLES[:-1])} or {_TITLES[-1]}"
"""The formats' displayed names, for messages: "JPEG, PNG, … or TIFF"."""

SUFFIXES = frozenset(suffix for entry in _FORMATS.values() for suffix in entry.suffixes)
"""Lower-case suffixes of photos. They only select files: the format follows from the bytes."""


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
    return next((name for name, entry in _FORMATS.items() if entry.matches(data)), None)
