"""Limits of one photo: its pixels, and the memory that decoding takes."""

from PIL import Image

from ..errors import PhotoTooSmall, TooManyPixels
from .formats import BYTES_PER_PIXEL
from .prepared import PreparedImage, damaged

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
            "Set your camera to its normal photo size (12 or 50 megapixels), or send a smaller "
            "copy."
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
