"""A photo → the pixels a graph takes, by the bundle's own recipe and nothing else."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Pixels", "PreprocessConfig", "fit_aspect", "preprocess"]

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
SUPPORT = {"nearest": 0.5, "box": 0.5, "bilinear": 1, "hamming": 1, "bicubic": 2, "lanczos": 3}
"""How far a filter reaches, in pixels of the result."""

PADDINGS: dict[str, Literal["constant", "edge", "reflect"]] = {
    "zeros": "constant",
    "border": "edge",
    "reflection": "reflect",
}


NO_DOWNSCALE = 2**16
"""Pixels that no photo has: nothing is scaled for them."""


class PreprocessConfig(BaseModel):
    """What fastai's validation pipeline does to a photo, as data.

    ``resize`` is (height, width), reached by ``method``: *crop* cuts the centre
    to that shape first, *pad* adds what is missing, *squish* distorts. ``crop``
    then cuts the centre; None keeps everything. ``inside`` is (height, width) that
    the graph itself scales the pixels to, as fastai's batch transforms do with
    ``size``; None where it takes them as they are. ``decoding`` *whole* keeps the
    decoder from scaling large JPEGs, for networks that take offence at it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resize: tuple[Side, Side]
    method: Literal["crop", "pad", "squish"] = "crop"
    padding: Literal["zeros", "border", "reflection"] = "reflection"
    interpolation: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = (
        "bilinear"
    )
    crop: tuple[Side, Side] | None = None
    inside: tuple[Side, Side] | None = None
    decoding: Literal["scaled", "whole"] = "scaled"

    @property
    def least(self) -> int:
        """As small as the shorter side may be decoded, for ``model.photo.read``."""
        return NO_DOWNSCALE if self.decoding == "whole" else max(self.resize)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pixels that come out."""
        return self.crop or self.resize


def preprocess(image: Image.Image, recipe: PreprocessConfig) -> Pixels:
    """Turn an upright RGB image into the pixels of ``recipe``.

    Returns:
        uint8, shape [height, width, 3] with ``recipe.size``.

    Source: fastai's ``Resize`` and ``CropPad`` at validation, to the pixel.
    """
    image = fit_aspect(image, recipe)
    filter_ = FILTERS[recipe.interpolation]
    height, width = recipe.crop or recipe.resize
    if box := _inner_box(image, recipe):
        return np.asarray(image.resize((width, height), filter_, box=box), dtype=np.uint8)
    image = image.resize((recipe.resize[1], recipe.resize[0]), filter_)
    if recipe.crop:
        image = _centre(image, recipe.crop)
    return np.asarray(image, dtype=np.uint8)


def _inner_box(
    image: Image.Image, recipe: PreprocessConfig
) -> tuple[float, float, float, float] | None:
    """The part of a shaped image that ends up in the crop, when it can be resized alone.

    The same pixels in less time. Only where the filter does not reach over the
    image's edge, because there it would see less, and where the box is exact.
    """
    if not recipe.crop:
        return None
    scales = image.width / recipe.resize[1], image.height / recipe.resize[0]
    margins = tuple((recipe.resize[axis] - recipe.crop[axis]) // 2 for axis in (1, 0))
    reach = SUPPORT[recipe.interpolation]
    for margin, scale in zip(margins, scales, strict=True):
        if margin * scale < reach * max(scale, 1.0) + 1:
            return None
    left, top = margins[0] * scales[0], margins[1] * scales[1]
    box = left, top, left + recipe.crop[1] * scales[0], top + recipe.crop[0] * scales[1]
    # Pillow keeps a box in single precision: what is rounded there changes pixels.
    return box if all(float(np.float32(edge)) == edge for edge in box) else None


def _cut(image: Image.Image, recipe: PreprocessConfig) -> tuple[int, int, int, int]:
    """Left, top, width and height of the centre with the aspect ratio of ``recipe.resize``."""
    height, width = recipe.resize
    scale = min(image.width / width, image.height / height)
    # Rounded down as fastai does, but never to nothing: a photo may be one pixel wide.
    wide, high = max(1, int(scale * width)), max(1, int(scale * height))
    return int((image.width - wide) / 2), int((image.height - high) / 2), wide, high


def fit_aspect(image: Image.Image, recipe: PreprocessConfig) -> Image.Image:
    """Cut or pad to the aspect ratio of ``recipe.resize``, the centre kept."""
    if recipe.method == "squish":
        return image
    if recipe.method == "crop":
        left, top, wide, high = _cut(image, recipe)
        return image.crop((left, top, left + wide, top + high))
    height, width = recipe.resize
    scale = max(image.width / width, image.height / height)
    wide, high = max(1, int(scale * width)), max(1, int(scale * height))
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
