"""Resize and crop a photo to the pixels that a graph takes, by the bundle's own recipe."""

from operator import not_
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

Pixels = NDArray[np.uint8]
"""Shape [height, width, 3] for one photo, [N, height, width, 3] for several."""

MAX_PADDING_RATIO = 4
"""Pixels after padding per pixel before; longer strips are scaled down first."""

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

NO_DOWNSCALE = 2**16
"""Minimum decode size that is longer than any photo's sides, in pixels: nothing is scaled down."""


class PreprocessConfig(BaseModel):
    """fastai's validation pipeline as data.

    ``resize`` is (height, width), reached by ``method``: *crop* cuts the centre to that aspect
    ratio first, *pad* pads, *squish* distorts. ``crop`` then cuts the centre; None keeps
    everything. ``graph_size`` is the (height, width) to which the graph resizes the pixels, as
    fastai's batch transforms do with ``size``; None if it does not. ``decoding`` *whole* keeps
    decoders from scaling large JPEGs, for networks that are sensitive to it. ``greyscale``
    converts photos before they are resized; the pixels then have three equal channels.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    resize: tuple[Side, Side]
    method: Literal["crop", "pad", "squish"] = "crop"
    padding: Literal["zeros", "border", "reflection"] = "reflection"
    interpolation: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = (
        "bilinear"
    )
    crop: tuple[Side, Side] | None = None
    graph_size: Annotated[tuple[Side, Side] | None, Field(alias="inside")] = None
    decoding: Literal["scaled", "whole"] = "scaled"
    # Left out where false: a manifest's text is part of its version, and older ones lack the key.
    greyscale: Annotated[bool, Field(exclude_if=not_)] = False

    @property
    def min_decode_size(self) -> int:
        """Shorter side below which a photo must not be decoded, in pixels."""
        return NO_DOWNSCALE if self.decoding == "whole" else max(self.resize)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the resulting pixels."""
        return self.crop or self.resize


def preprocess(image: Image.Image, recipe: PreprocessConfig) -> Pixels:
    """Return the pixels of an upright RGB image by ``recipe``.

    Returns:
        uint8, shape [height, width, 3] with ``recipe.size``.

    Source: fastai's ``PILImageBW``, and its ``Resize`` and ``CropPad`` at validation, reproduced
    pixel for pixel.
    """
    if not recipe.greyscale:
        return np.asarray(_resize(image, recipe), dtype=np.uint8)
    # Equal channels are resized alike, so one is enough.
    return np.asarray(_resize(image.convert("L"), recipe).convert("RGB"), dtype=np.uint8)


def _resize(image: Image.Image, recipe: PreprocessConfig) -> Image.Image:
    """Resize and crop an image of one or three channels."""
    image = fit_aspect(image, recipe)
    image = image.resize((recipe.resize[1], recipe.resize[0]), FILTERS[recipe.interpolation])
    return _crop_centre(image, recipe.crop) if recipe.crop else image


def _centre_box(image: Image.Image, recipe: PreprocessConfig) -> tuple[int, int, int, int]:
    """Return left, top, width and height of the centre in the aspect ratio of the recipe."""
    height, width = recipe.resize
    scale = min(image.width / width, image.height / height)
    # Rounded down as fastai does, but never to zero: a photo may be one pixel wide.
    width, height = max(1, int(scale * width)), max(1, int(scale * height))
    return int((image.width - width) / 2), int((image.height - height) / 2), width, height


def fit_aspect(image: Image.Image, recipe: PreprocessConfig) -> Image.Image:
    """Crop or pad an image to the aspect ratio of ``recipe.resize``, around its centre."""
    if recipe.method == "squish":
        return image
    if recipe.method == "crop":
        left, top, width, height = _centre_box(image, recipe)
        return image.crop((left, top, left + width, top + height))
    height, width = recipe.resize
    scale = max(image.width / width, image.height / height)
    padded = max(1, int(scale * width)), max(1, int(scale * height))
    return _pad(image, *padded, recipe.padding)


def _pad(image: Image.Image, width: int, height: int, padding: str) -> Image.Image:
    """Pad an image to ``width`` × ``height`` pixels, half on each side."""
    max_pixels = max(MAX_PADDING_RATIO * image.width * image.height, 2**22)
    if width * height > max_pixels:
        # Padding a long strip would fill the memory, so it is scaled down first.
        scale = (max_pixels / (width * height)) ** 0.5
        image = image.resize(
            (max(1, round(image.width * scale)), max(1, round(image.height * scale))),
            Image.Resampling.BOX,
        )
        width, height = max(1, int(width * scale)), max(1, int(height * scale))
    left, top = max(0, (width - image.width) // 2), max(0, (height - image.height) // 2)
    right, bottom = max(0, width - image.width - left), max(0, height - image.height - top)
    pixels = np.asarray(image)
    widths = ((top, bottom), (left, right), (0, 0))[: pixels.ndim]
    return Image.fromarray(np.pad(pixels, widths, mode=PADDINGS[padding]))


def _crop_centre(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Crop ``size`` (height, width) around the centre, black beyond the edges."""
    top, left = (image.height - size[0]) // 2, (image.width - size[1]) // 2
    return image.crop((left, top, left + size[1], top + size[0]))
