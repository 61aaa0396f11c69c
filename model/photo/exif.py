"""EXIF orientation: the one piece of metadata that is read, and how it is applied.

``parse_orientation`` reads it from the EXIF block or IFD of a JPEG, PNG, WebP or TIFF,
and ``image_orientation`` from an opened AVIF. HEIC needs neither: its orientation is a
property of the item, and libheif applies it while decoding.
"""

import struct

from PIL import ExifTags, Image

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
