"""Shared by the parsers of all containers: result, errors, a reader of numbers, EXIF orientation.

Orientation is the one piece of metadata that is read: from the EXIF block or IFD of a JPEG, PNG,
WebP or TIFF, and from an opened AVIF. HEIC needs neither: its orientation is a property of the
item, and libheif applies it while decoding.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import ExifTags, Image

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


_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that turns a photo upright, by the value of the orientation tag."""

_SHORT = 3


def parse_orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, in an EXIF block or TIFF file; 1 if absent or malformed."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 10:
        return 1
    (start,) = struct.unpack_from(order + "I", exif, 4)
    if start + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(order + "H", exif, start)
    for at in range(start + 2, min(start + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, at)
        if tag == ExifTags.Base.Orientation:
            return value if kind == _SHORT and 1 <= value <= 8 else 1
    return 1


def image_orientation(image: Image.Image) -> int:
    """Return the orientation, 1 to 8, of an opened image; 1 if absent or malformed."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - malformed EXIF must not fail the photo
        return 1
    return value if value in _TRANSPOSITIONS else 1


def apply_orientation(image: Image.Image, orientation: int) -> Image.Image:
    """Return the image turned upright; the same object if it already is."""
    transposition = _TRANSPOSITIONS.get(orientation)
    return image if transposition is None else image.transpose(transposition)
