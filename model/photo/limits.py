"""What one photo may cost in pixels, memory and places at the decoder."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from ..errors import Busy, TooManyPixels
from .prepared import PreparedImage, damaged

__all__ = [
    "BYTES_PER_PIXEL",
    "MAX_PIXELS",
    "check_memory",
    "check_size",
    "cost",
    "large_photo_lock",
]

MAX_PIXELS = 50_000_000
"""Pixels of one photo: 8160 × 6120, the largest that phones take, fits."""

SERVING_MB = 320
"""What the serving process holds beside the photo, MB."""

LEAST_MB = 48
"""What a photo may take however small the machine, MB."""

LARGE_MB = 32
"""Photos that take more than this, MB, are decoded one at a time."""

BYTES_PER_PIXEL = {
    "JPEG": (5.2, 8.3),
    "PNG": (5.4, 8.5),
    "WEBP": (16.2, 16.8),
    "HEIF": (7.7, 8.6),
    "AVIF": (10.9, 13.5),
}
"""Bytes per decoded pixel at the peak of decoding: grey or RGB, and anything else.

Measured at 25 megapixels, with the copies that turning and conversion make.
"""

TURNED = 8.1
"""Bytes per pixel while a photo is turned: the old one and the new one."""

FULL_COLOUR = 2.0
"""Bytes per pixel more where a HEIC holds colour at full resolution."""

_large = threading.Lock()


def cost(stripped: PreparedImage, image: Image.Image, orientation: int) -> float:
    """Bytes that decoding takes at its peak, beside the coefficients that libjpeg keeps."""
    plain = image.mode in ("RGB", "L", "1", "P") and "transparency" not in image.info
    peak = BYTES_PER_PIXEL[stripped.format][0 if plain else 1]
    if image.info.get("chroma") == 444:
        peak += FULL_COLOUR
    pixels = max(image.width * image.height, stripped.coded)
    return (peak if orientation == 1 else max(peak, TURNED)) * pixels


def check_size(size: tuple[int, int]) -> None:
    """Refuse what has no pixels, or more than are ever read."""
    pixels = size[0] * size[1]
    if pixels < 1:
        raise damaged()
    if pixels > MAX_PIXELS:
        raise TooManyPixels(
            f"That photo has {pixels / 1e6:,.0f} megapixels; I read up to "
            f"{MAX_PIXELS / 1e6:.0f}. Send a smaller version."
        )


def check_memory(size: tuple[int, int], needed: float, memory_mb: int) -> None:
    """Refuse what needs more bytes than this machine has left."""
    if needed > max(LEAST_MB, memory_mb - SERVING_MB) * 2**20:
        raise TooManyPixels(
            f"That photo has {size[0] * size[1] / 1e6:,.1f} megapixels, more than this machine "
            "has memory for. Send a smaller version, or an ordinary JPEG."
        )


@contextmanager
def large_photo_lock(needed: float, deadline: float) -> Iterator[None]:
    """Let one large photo be decoded at a time, so that their peaks don't add up."""
    if needed <= LARGE_MB * 2**20:
        yield
        return
    if not _large.acquire(timeout=deadline):
        raise Busy("Other large photos are being read just now. Try again in a moment.")
    try:
        yield
    finally:
        _large.release()
