"""The table of supported formats, their detection from a file's first bytes, and a photo's limits.

Each format has a parser for the container itself, which takes a bounded time and passes on only
the parts that hold pixels. Text, colour profiles, thumbnails, second pictures and animations never
reach a decoder, so they cannot slow it down, fill the memory or crash it.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from PIL import Image

from ..errors import PhotoTooSmall, TooManyPixels, UnsupportedFormat
from .isobmff import prepare_isobmff
from .jpeg import prepare_jpeg
from .prepared import PreparedImage, damaged
from .raster import prepare_bmp, prepare_gif, prepare_png, prepare_webp
from .tiff import prepare_tiff

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

SIGNATURES = b"|".join(entry.signature for entry in _FORMATS.values()).decode("latin-1")
"""A regular expression for the first bytes of all formats, as Latin-1, for JavaScript as well."""

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


MAX_PIXELS = 65_000_000 - 1
"""Most pixels of one photo: phones' 64-megapixel photos have up to 9280 × 6944."""

MIN_SIDE_PX = 16
"""Fewest pixels of the shorter side: fewer show nothing."""

SERVER_MB = 320
"""Memory of the serving process without the photo, in MB."""

MIN_PHOTO_MB = 48
"""Memory that a photo may take even on the smallest machine, in MB."""

LARGE_MB = 32
"""Memory above which photos are decoded one at a time, in MB."""

BYTES_PER_PIXEL_COPIED = 8.1
"""Bytes per pixel of the picture and its copy, turned upright or cropped for the model."""

BYTES_PER_PIXEL_444 = 2.0
"""Additional bytes per pixel if a HEIC stores colour at full resolution."""


def decoding_bytes(prepared: PreparedImage, image: Image.Image) -> float:
    """Return the peak memory until pixels are made, in bytes; ``image`` is opened, not decoded."""
    plain = image.mode in ("RGB", "L", "1", "P") and "transparency" not in image.info
    peak = BYTES_PER_PIXEL[prepared.format][0 if plain else 1]
    if image.info.get("chroma") == 444:
        peak += BYTES_PER_PIXEL_444
    # ``draft`` may have reduced ``image``, but the decoder holds coefficients for every pixel.
    width, height = prepared.size or image.size
    pixels = max(image.width * image.height, prepared.coded_pixels)
    decoding = peak * pixels + prepared.extra_bytes_per_pixel * width * height
    return max(decoding, BYTES_PER_PIXEL_COPIED * pixels)


def check_size(size: tuple[int, int]) -> None:
    """Reject a photo with too few pixels to show anything, or with too many to read.

    Raises:
        DamagedPhoto: no pixels.
        PhotoTooSmall: a side is shorter than ``MIN_SIDE_PX``.
        TooManyPixels: more than ``MAX_PIXELS``.
    """
    pixels = size[0] * size[1]
    if pixels < 1:
        raise damaged()
    if min(size) < MIN_SIDE_PX:
        raise PhotoTooSmall(
            f"This photo has only {size[0]} × {size[1]} pixels, too few to show anything. "
            f"Send one with at least {MIN_SIDE_PX} pixels on each side."
        )
    if pixels > MAX_PIXELS:
        raise TooManyPixels(
            f"This photo has {pixels // 10**6:,} megapixels; the limit is {MAX_PIXELS // 10**6}. "
            "Set your camera to its normal photo size, or send a smaller copy."
        )


def check_memory(size: tuple[int, int], needed_bytes: float, memory_mb: int) -> None:
    """Reject a photo that needs more memory than this machine has left.

    Raises:
        TooManyPixels: too little memory is left.
    """
    megapixels = size[0] * size[1] / 1e6
    share = max(MIN_PHOTO_MB, memory_mb - SERVER_MB) * 2**20 / needed_bytes
    if share < 1:
        raise TooManyPixels(
            f"This photo has {megapixels:,.1f} megapixels, more than this server has memory for "
            f"({megapixels * share:.1f} in this format). Send a smaller copy, or a standard JPEG."
        )
