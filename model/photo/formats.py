"""The table of supported formats, and their detection from a file's first bytes.

Each format has a module that parses the container itself, in bounded time, and
passes on only the parts that hold pixels. Text, colour profiles, thumbnails,
second pictures and animations never reach a decoder, so they cannot slow it
down, fill the memory or crash it. Orientation is the one piece of metadata that
is read.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from ..errors import UnsupportedFormat
from .bmp import prepare_bmp
from .gif import prepare_gif
from .isobmff import prepare_isobmff
from .jpeg import prepare_jpeg
from .png import prepare_png
from .prepared import PreparedImage
from .tiff import prepare_tiff
from .webp import prepare_webp

SIGNATURE_BYTES = 256
"""Number of leading bytes that ``detect_format`` needs."""


_AVIF = rb".{4}ftyp(avi[fs]|m(if|sf)1.{4}(.{4}){0,60}?avi[fs])"
_HEIF = rb".{4}ftyp(he[iv][cxms]|m(if|sf)1)"
"""A file of a neutral brand is an AVIF if its list of brands says so, or else a HEIF."""


class _Format(NamedTuple):
    """A format: its displayed name, its usual suffixes, how a file is recognised and parsed.

    ``signature`` is a regular expression for a file's first bytes. ``bytes_per_pixel`` is the
    memory per decoded pixel at the peak of decoding, for grey or RGB and for other modes; measured
    at 25 megapixels, with the copies of rotation and conversion.
    """

    title: str
    suffixes: str
    signature: bytes
    prepare: Callable[[bytes], PreparedImage]
    bytes_per_pixel: tuple[float, float]


_BMP = rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0"
_FORMATS = {
    "JPEG": _Format("JPEG", ".jpg .jpeg .jpe .jfif .mpo", rb"\xff\xd8", prepare_jpeg, (5.2, 8.3)),
    "PNG": _Format("PNG", ".png .apng", rb"\x89PNG\r\n\x1a\n", prepare_png, (5.4, 8.5)),
    "WEBP": _Format("WebP", ".webp", rb"RIFF.{4}WEBP", prepare_webp, (16.2, 16.8)),
    "HEIF": _Format(
        "HEIC",
        ".heic .heif .hif",
        b"(?!" + _AVIF + b")" + _HEIF,
        partial(prepare_isobmff, format="HEIF"),
        (7.7, 8.6),
    ),
    "AVIF": _Format("AVIF", ".avif", _AVIF, partial(prepare_isobmff, format="AVIF"), (10.9, 13.5)),
    "GIF": _Format("GIF", ".gif", rb"GIF8[79]a", prepare_gif, (5.6, 8.6)),
    "BMP": _Format("BMP", ".bmp .dib", _BMP, prepare_bmp, (5.4, 8.5)),
    # 42 is TIFF, 43 is BigTIFF.
    "TIFF": _Format("TIFF", ".tif .tiff", rb"II[*+]\0|MM\0[*+]", prepare_tiff, (5.4, 8.5)),
}

FORMATS = tuple(_FORMATS)
"""The formats that are read, as Pillow and ``Photo.format`` name them."""

BYTES_PER_PIXEL = {name: entry.bytes_per_pixel for name, entry in _FORMATS.items()}

_TITLES = [entry.title for entry in _FORMATS.values()]
FORMAT_NAMES = f"{', '.join(_TITLES[:-1])} or {_TITLES[-1]}"
"""The formats' displayed names, for messages: "JPEG, PNG, … or TIFF"."""

SUFFIXES = frozenset(suffix for entry in _FORMATS.values() for suffix in entry.suffixes.split())
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
    head = data[:SIGNATURE_BYTES]
    for name, entry in _FORMATS.items():
        if re.match(entry.signature, head, re.DOTALL):
            return name
    return None
