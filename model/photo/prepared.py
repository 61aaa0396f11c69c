"""The result of walking a photo's container, and the errors that all walkers share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image

from ..admission import AdmissionCancelled
from ..errors import DamagedPhoto, LoupeError, TooManyPixels, UnsupportedFormat

__all__ = [
    "MAX_PARTS",
    "PreparedImage",
    "damaged",
    "incomplete",
    "rare_encoding",
    "translate_decoder_errors",
]

MAX_PARTS = 50_000
"""Segments, chunks or strips in one file; a photo of 20 MB has a few thousand."""


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """One picture without its surroundings, ready for a decoder.

    Attributes:
        format: Pillow's name of the format.
        data: a file with nothing in it but the picture.
        size: width and height in pixels before turning upright; None if only the
            decoder knows.
        orientation: EXIF's 1 to 8.
        extra_bytes_per_pixel: what the decoder holds beside the picture.
        scalable: the decoder can decode to a smaller size at a smaller cost.
        coded_pixels: pixels that the coded picture itself announces; 0 for formats
            in which it cannot differ from ``size``.
    """

    format: str
    data: bytes
    size: tuple[int, int] | None = None
    orientation: int = 1
    extra_bytes_per_pixel: float = 0.0
    scalable: bool = False
    coded_pixels: int = 0


def damaged() -> DamagedPhoto:
    """Return the error for a file that is broken inside."""
    return DamagedPhoto("This file is damaged. Send it again, or try another photo.")


def incomplete() -> DamagedPhoto:
    """Return the error for a file that ends too early."""
    return DamagedPhoto(
        "This file is incomplete, so part of the photo is missing. Try sending it again."
    )


def rare_encoding(kind: str) -> UnsupportedFormat:
    """Return the error for a known format in an encoding that is not read."""
    return UnsupportedFormat(
        f"This {kind} uses a rare encoding that isn't supported. Save it as a standard JPEG or a "
        "PNG."
    )


@contextmanager
def translate_decoder_errors() -> Iterator[None]:
    """Turn whatever a decoder raises into a ``PhotoError``.

    Decoders raise nearly anything at files that were made to confuse them.
    """
    try:
        yield
    except (LoupeError, AdmissionCancelled):
        raise
    except (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooManyPixels(
            "This photo needs more memory than this server has. Send a smaller version."
        ) from None
    except Exception as error:  # noqa: BLE001
        message = str(error).lower()
        if "truncated" in message:
            raise incomplete() from None
        if "unsupported" in message or "unknown pixel mode" in message:
            raise rare_encoding("photo") from None
        raise damaged() from None
