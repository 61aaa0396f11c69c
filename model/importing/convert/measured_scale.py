"""What fastai's transforms do to images of one size, measured by trying them."""

from typing import Any

import numpy as np
import torch
from PIL import Image

from ...errors import ExportRefused
from ...learner.inference_module import Scale
from ..inspect.transforms import unknown_transform

__all__ = ["CLOSE", "measure_resize", "measure_scaling", "unknown"]

CLOSE = 1e-4
"""How far a step that was read may be from fastai's own, in shares of white."""

ROUNDED = 2 / 255
"""The same where Pillow rounds after each axis."""


def measure_scaling(transform: Any, size: tuple[int, int]) -> Scale:
    """Return what a transform does to images of ``size`` (height, width), found by trying.

    At validation these are linear and treat rows and columns apart, so that images
    with one bright row, then with one bright column, show all of it.
    """
    scale = Scale(_answers(transform, size, rows=True), _answers(transform, size, rows=False))
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    own, wanted = scale(image), _transformed(transform, image)
    if own.shape != wanted.shape or not float((own - wanted).abs().max()) <= CLOSE:
        raise ExportRefused(unknown(transform, "on batches, and it is not plain scaling"))
    return scale


def _answers(transform: Any, size: tuple[int, int], *, rows: bool) -> torch.Tensor:
    """How much of each old row (or column) goes into each new one: [new, old]."""
    height, width = size
    parts = []
    for lines in torch.split(torch.eye(height if rows else width), 32):
        images = lines[:, None, :, None] if rows else lines[:, None, None, :]
        found = _transformed(transform, images.expand(-1, 1, height, width).contiguous())
        # The middle, where no edge shows.
        parts.append(
            found[:, 0, :, found.shape[3] // 2] if rows else found[:, 0, found.shape[2] // 2]
        )
    return torch.cat(parts).T


def _transformed(transform: Any, images: torch.Tensor) -> torch.Tensor:
    from fastai.vision.all import TensorImage

    return torch.Tensor(transform(TensorImage(images), split_idx=1)).as_subclass(torch.Tensor)


def measure_resize(transform: Any, size: tuple[int, int]) -> Scale:
    """Return what fastai's ``Resize`` or ``RatioResize`` does to photos of ``size``.

    Pillow resizes rows and columns apart, so that images of floats with one bright row, then
    with one bright column, show all of it.

    Raises:
        ExportRefused: it does something else as well.
    """
    height, width = size
    rows, columns = [], []
    for row in range(height):
        lines = np.zeros(size, np.float32)
        lines[row] = 1
        found = _resized(transform, lines)
        rows.append(found[:, found.shape[1] // 2])
    for column in range(width):
        lines = np.zeros(size, np.float32)
        lines[:, column] = 1
        found = _resized(transform, lines)
        columns.append(found[found.shape[0] // 2])
    scale = Scale(*(torch.from_numpy(np.stack(axis, 1)) for axis in (rows, columns)))
    image = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    wanted = torch.from_numpy(_resized(transform, image).astype(np.float32)) / 255
    own = scale(torch.from_numpy(image)[None, None].float() / 255)[0, 0].clamp(0, 1)
    if own.shape != wanted.shape or not float((own - wanted).abs().max()) <= ROUNDED:
        raise ExportRefused(unknown(transform, "after another, and it is not plain scaling"))
    return scale


def _resized(transform: Any, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    from fastai.vision.core import PILImage

    return np.array(transform(PILImage(Image.fromarray(pixels)), split_idx=1))


def unknown(transform: Any, how: str) -> str:
    """Return a message about a transform that can't be reproduced."""
    kind = type(transform)
    return unknown_transform(f"{kind.__module__}.{kind.__qualname__}", how)
