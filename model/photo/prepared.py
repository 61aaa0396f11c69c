"""What every reader of a container gives, and refuses."""

import struct
from dataclasses import dataclass

from ..errors import DamagedPhoto

__all__ = ["MAX_PARTS", "PreparedImage", "cut_short", "damaged", "orientation_of"]

MAX_PARTS = 50_000
"""Segments or chunks in one file; a photo of 20 MB has a few thousand."""


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """One picture without its surroundings.

    ``size`` is width and height in pixels before it is turned upright, None where
    only the decoder knows. ``orientation`` is EXIF's 1 to 8. ``kept`` is what the
    decoder holds beside the picture, in bytes per pixel. ``scalable`` says
    whether the decoder can decode to a smaller size at a smaller cost. ``coded`` is
    the pixels that the coded picture claims by itself, 0 where nothing can differ.
    """

    format: str
    data: bytes
    size: tuple[int, int] | None = None
    orientation: int = 1
    kept: float = 0.0
    scalable: bool = False
    coded: int = 0


def damaged() -> DamagedPhoto:
    """The refusal of a file that is broken inside."""
    return DamagedPhoto("That file is damaged inside. Try sending it again, or another photo.")


def cut_short() -> DamagedPhoto:
    """The refusal of a file that ends too early."""
    return DamagedPhoto(
        "That file is cut short, so I can't see the whole photo. Try sending it again."
    )


def orientation_of(exif: bytes) -> int:
    """EXIF's orientation, 1 where it is absent or makes no sense."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 10:
        return 1
    (at,) = struct.unpack_from(order + "I", exif, 4)
    if at + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(order + "H", exif, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, entry)
        if tag == 0x0112:
            return value if kind == 3 and 1 <= value <= 8 else 1
    return 1
