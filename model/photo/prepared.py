"""Shared by the parsers of all containers: their result, their errors, a reader of numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image

from ..admission import AdmissionCancelled
from ..errors import DamagedPhoto, LoupeError, TooManyPixels, UnsupportedFormat

MAX_PARTS = 50_000
"""Most segments, chunks or strips in one file; a photo of 20 MB has a few thousand."""


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """One picture without the rest of its file, ready for a decoder.

    Attributes:
        format: Pillow's name of the format.
        data: a file that holds only the picture.
        size: width and height in pixels as stored, before rotation; None if only the
            decoder can tell.
        orientation: EXIF's 1 to 8.
        extra_bytes_per_pixel: memory that the decoder needs besides the picture.
        coded_pixels: number of pixels that the coded picture itself announces; 0 for
            formats in which it cannot differ from ``size``.
    """

    format: str
    data: bytes
    size: tuple[int, int] | None = None
    orientation: int = 1
    extra_bytes_per_pixel: float = 0.0
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
    """Return the error for a supported format in an unsupported encoding."""
    return UnsupportedFormat(
        f"This {kind} uses a rare encoding that isn't supported. Save it as a standard JPEG or a "
        "PNG."
    )


class NumberReader:
    """Reader of consecutive big-endian numbers in ``data[start:end]``, never beyond the end."""

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self.data, self.at = data, 8 * start
        self.end = 8 * (len(data) if end is None else end)

    def bits(self, count: int) -> int:
        """Return the number in the next bits.

        Raises:
            DamagedPhoto: fewer are left.
        """
        first, self.at = self.at, self.at + count
        if self.at > self.end:
            raise damaged()
        number = int.from_bytes(self.data[first // 8 : -(-self.at // 8)], "big")
        return number >> -self.at % 8 & (1 << count) - 1

    def take(self, size: int) -> int:
        """Return the number in the next ``size`` bytes; see ``bits``."""
        return self.bits(8 * size)


@contextmanager
def translate_decoder_errors() -> Iterator[None]:
    """Translate any exception of a decoder into a ``PhotoError``.

    Malformed files make decoders raise almost any type.
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
