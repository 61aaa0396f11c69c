"""Five free photographs and drawn pictures, on which engines, exports and hosts are compared.

README.md in this folder gives the origin of each photograph.
"""

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

__all__ = ["Sample", "samples", "shapes", "thumbnail_jpeg"]

_DIR = Path(__file__).parent

THUMBNAIL_SIDE_PX = 144
"""Side of a thumbnail, in pixels: twice what is shown, for sharp screens."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A photograph in this folder."""

    name: str

    @property
    def path(self) -> Path:
        """The JPEG file."""
        return _DIR / f"{self.name}.jpg"

    def read(self) -> bytes:
        """Return the bytes of the file."""
        return self.path.read_bytes()

    def open(self) -> Image.Image:
        """Return the picture, opened with Pillow."""
        return Image.open(self.path, formats=["JPEG"])


def thumbnail_jpeg(image: Image.Image) -> bytes:
    """Return the middle of a picture as a square JPEG of a few kilobytes."""
    buffer, side = io.BytesIO(), THUMBNAIL_SIDE_PX
    ImageOps.fit(image, (side, side)).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


@cache
def samples() -> tuple[Sample, ...]:
    """Return the sample photographs, always in the same order."""
    return tuple(map(Sample, ("coffee", "cat", "rocket", "astronaut", "camera")))


def shapes(side: int = 320) -> list[Image.Image]:
    """Return three drawn pictures, the same on every machine: a disc, stripes and noise."""
    disc = Image.new("RGB", (side, side), (240, 236, 226))
    edge = side // 6
    ImageDraw.Draw(disc).ellipse((edge, edge, side - edge, side - edge), fill=(200, 60, 40))
    ramp = np.arange(side, dtype=np.uint8)
    stripes = np.broadcast_to(((ramp // 16) % 2 * 200 + 30)[None, :, None], (side, side, 3))
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return [disc, Image.fromarray(np.ascontiguousarray(stripes)), Image.fromarray(noise)]
