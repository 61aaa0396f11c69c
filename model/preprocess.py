"""A photo → the pixels a graph takes, by the bundle's own recipe and nothing else."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Pixels", "Recipe", "preprocess"]

Pixels = NDArray[np.uint8]
"""Shape [height, width, 3] for one photo, [N, height, width, 3] for several."""

MOST_PADDED = 4
"""Times its own pixels that a photo may be padded to: longer strips are scaled down."""

Side = Annotated[int, Field(ge=8, le=2048)]
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
PADDINGS: dict[str, Literal["constant", "edge", "reflect"]] = {
    "zeros": "constant",
    "border": "edge",
    "reflection": "reflect",
}


class Recipe(BaseModel):
    """What fastai's validation pipeline does to a photo, as data.

    ``resize`` is (height, width), reached by ``method``: *crop* cuts the centre
    to that shape first, *pad* adds what is missing, *squish* distorts. ``crop``
    then cuts the centre; None keeps everything.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resize: tuple[Side, Side]
    method: Literal["crop", "pad", "squish"] = "crop"
    padding: Literal["zeros", "border", "reflection"] = "reflection"
    interpolation: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = (
        "bilinear"
    )
    crop: tuple[Side, Side] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pixels that come out."""
        return self.crop or self.resize


def preprocess(image: Image.Image, recipe: Recipe) -> Pixels:
    """Turn an upright RGB image into the pixels of ``recipe``.

    Returns:
        uint8, shape [height, width, 3] with ``recipe.size``.

    Source: fastai's ``Resize`` and ``CropPad`` at validation, to the pixel.
    """
    height, width = recipe.resize
    image = _shape(image, recipe).resize((width, height), FILTERS[recipe.interpolation])
    if recipe.crop:
        image = _centre(image, recipe.crop)
    return np.asarray(image, dtype=np.uint8)


def _shape(image: Image.Image, recipe: Recipe) -> Image.Image:
    """Cut or pad to the aspect ratio of ``recipe.resize``, the centre kept."""
    if recipe.method == "squish":
        return image
    height, width = recipe.resize
    scales = image.width / width, image.height / height
    scale = max(scales) if recipe.method == "pad" else min(scales)
    # Rounded down as fastai does, but never to nothing: a photo may be one pixel wide.
    wide, high = max(1, int(scale * width)), max(1, int(scale * height))
    if recipe.method == "crop":
        left, top = int((image.width - wide) / 2), int((image.height - high) / 2)
        return image.crop((left, top, left + wide, top + high))
    return _pad(image, wide, high, recipe.padding)


def _pad(image: Image.Image, wide: int, high: int, padding: str) -> Image.Image:
    """Add what ``image`` lacks to ``wide`` × ``high`` pixels, half on each side."""
    most = max(MOST_PADDED * image.width * image.height, 2**22)
    if wide * high > most:
        # A strip of a photo would fill the memory with padding: it is scaled down first.
        scale = (most / (wide * high)) ** 0.5
        image = image.resize(
            (max(1, round(image.width * scale)), max(1, round(image.height * scale))),
            Image.Resampling.BOX,
        )
        wide, high = max(1, int(wide * scale)), max(1, int(high * scale))
    left, top = max(0, (wide - image.width) // 2), max(0, (high - image.height) // 2)
    right, bottom = max(0, wide - image.width - left), max(0, high - image.height - top)
    pixels = np.pad(
        np.asarray(image), ((top, bottom), (left, right), (0, 0)), mode=PADDINGS[padding]
    )
    return Image.fromarray(pixels)


def _centre(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Cut ``size`` (height, width) out of the middle, black where there is nothing."""
    top, left = (image.height - size[0]) // 2, (image.width - size[1]) // 2
    return image.crop((left, top, left + size[1], top + size[0]))
