"""Photographs to try without a camera: free ones that come in an installed package."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["Sample", "samples", "shapes"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A photograph in scikit-image's wheel, with where it comes from."""

    name: str
    title: str
    alt: str
    file: str
    author: str
    licence: str
    source: str

    @property
    def path(self) -> Path:
        """Its file, found without importing scikit-image (that costs 40 MB)."""
        return Path(str(distribution("scikit-image").locate_file(f"skimage/data/{self.file}")))

    def read(self) -> bytes:
        """Its bytes as packaged."""
        return self.path.read_bytes()

    def open(self) -> Image.Image:
        """Its picture."""
        return Image.open(self.path, formats=["PNG", "JPEG"])


# Licences as the package's own documentation states them (skimage.data).
ALL = (
    Sample(
        "coffee",
        "Coffee",
        "A cup of coffee on a wooden table",
        "coffee.png",
        "Rachel Michetti, Pikolo Espresso Bar",
        "CC0",
        "https://scikit-image.org/docs/stable/api/skimage.data.html#skimage.data.coffee",
    ),
    Sample(
        "cat",
        "Cat",
        "The face of a ginger tabby cat",
        "chelsea.png",
        "Stéfan van der Walt",
        "CC0",
        "https://scikit-image.org/docs/stable/api/skimage.data.html#skimage.data.chelsea",
    ),
    Sample(
        "rocket",
        "Rocket",
        "A rocket at its launch tower at night",
        "rocket.jpg",
        "SpaceX",
        "Public domain",
        "https://www.flickr.com/photos/spacexphotos/16511594820/",
    ),
    Sample(
        "astronaut",
        "Astronaut",
        "An astronaut in an orange suit before a model of the Space Shuttle",
        "astronaut.png",
        "NASA",
        "Public domain",
        "https://flic.kr/p/r9qvLn",
    ),
    Sample(
        "camera",
        "Cameraman",
        "A man behind a film camera on a tripod, in grey",
        "camera.png",
        "Lav Varshney",
        "CC0",
        "https://scikit-image.org/docs/stable/api/skimage.data.html#skimage.data.camera",
    ),
)


def samples() -> tuple[Sample, ...]:
    """The samples whose package is installed."""
    try:
        distribution("scikit-image")
    except PackageNotFoundError:
        return ()
    return tuple(sample for sample in ALL if sample.path.is_file())


def shapes(side: int = 320) -> list[Image.Image]:
    """Three drawn pictures, the same everywhere: a disc, stripes and noise."""
    disc = Image.new("RGB", (side, side), (240, 236, 226))
    edge = side // 6
    ImageDraw.Draw(disc).ellipse((edge, edge, side - edge, side - edge), fill=(200, 60, 40))
    ramp = np.arange(side, dtype=np.uint8)
    stripes = np.broadcast_to(((ramp // 16) % 2 * 200 + 30)[None, :, None], (side, side, 3))
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return [disc, Image.fromarray(np.ascontiguousarray(stripes)), Image.fromarray(noise)]
