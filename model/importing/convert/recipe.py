"""fastai's transforms at validation as a preprocessing config and the graph's own part."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import ExportRefused
from ...learner.inference_module import Scale
from ...preprocess import PreprocessConfig
from ..inspect.transform_table import TRANSFORMS
from ..inspect.transforms import fold, fold_photo, unknown_transform
from .fastai_pipeline import BuiltStep, FastaiPipeline

__all__ = ["GraphInput", "read_recipe"]

Stats = tuple[float, float, float]
Size = tuple[int, int]

CLOSE = 1e-4
"""Largest difference of a scaling from fastai's own, as a fraction of white."""


@dataclass(frozen=True)
class GraphInput:
    """A validation pipeline: ``recipe``, then ``scale`` where the recipe cannot say how the
    graph resizes, then ``mean`` and ``std`` of pixels between 0 and 1.
    """

    recipe: PreprocessConfig
    scale: Scale | None
    mean: Stats
    std: Stats


def read_recipe(pipeline: FastaiPipeline) -> GraphInput:
    """Return the preprocessing of a pipeline, as a recipe and the graph's own part.

    Raises:
        ExportRefused: a step can't be reproduced; the message names it.
    """
    steps = fold_photo([built.step for built in pipeline.items])
    fold(steps, [built.step for built in pipeline.batches], of_batches=True)
    if not steps.is_float:
        raise ExportRefused(
            "Its batches have no IntToFloatTensor, so its network gets whole numbers from 0 to "
            "255. Train it with an ImageBlock, which brings one, and export it again."
        )
    values = {**steps.recipe, "greyscale": pipeline.greyscale}
    recipe = PreprocessConfig.model_validate(values)
    scale = _measured_scale(pipeline.batches, recipe.size)
    if scale is not None:
        size = len(scale.rows), len(scale.columns)
        usual = Scale.from_sizes(recipe.size, size)
        if _is_close(scale.rows, usual.rows) and _is_close(scale.columns, usual.columns):
            recipe = PreprocessConfig.model_validate({**values, "inside": size})
            scale = None
    return GraphInput(recipe, scale, _stats(steps.mean), _stats(steps.std))


def _stats(array: NDArray[np.float64]) -> Stats:
    # Round to float32, as stored: 0.485.
    first, second, third = (float(str(np.float32(number))) for number in array)
    return first, second, third


def _is_close(matrix: torch.Tensor, other: torch.Tensor) -> bool:
    return matrix.shape == other.shape and float((matrix - other).abs().max()) <= CLOSE


def _measured_scale(batches: tuple[BuiltStep, ...], size: Size) -> Scale | None:
    """Return the resizing of batches of images of ``size``; None if there is none."""
    rows, columns = torch.eye(size[0]), torch.eye(size[1])
    for built in batches:
        if TRANSFORMS[built.step.name].scales and built.step.settings["size"] is not None:
            scale = _measure(built, (len(rows), len(columns)))
            rows, columns = scale.rows @ rows, scale.columns @ columns
    if _is_close(rows, torch.eye(size[0])) and _is_close(columns, torch.eye(size[1])):
        return None
    return Scale(rows, columns)


def _measure(built: BuiltStep, size: Size) -> Scale:
    """Return the resampling matrices of a transform for images of ``size`` (height, width).

    At validation it is linear and treats rows and columns separately, so images with one bright
    row give one matrix, and images with one bright column the other.
    """
    height, width = size
    rows = [
        _apply(built, lines[:, None, :, None].expand(-1, 1, height, width))
        for lines in torch.split(torch.eye(height), 32)
    ]
    columns = [
        _apply(built, lines[:, None, None, :].expand(-1, 1, height, width))
        for lines in torch.split(torch.eye(width), 32)
    ]
    # From the middle, where edges have no effect.
    scale = Scale(
        torch.cat([images[:, 0, :, images.shape[3] // 2] for images in rows]).T,
        torch.cat([images[:, 0, images.shape[2] // 2] for images in columns]).T,
    )
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    if not _is_close(scale(image), _apply(built, image)):
        place = "on batches, and it is not plain scaling"
        raise ExportRefused(unknown_transform(built.step.name, place))
    return scale


def _apply(built: BuiltStep, images: torch.Tensor) -> torch.Tensor:
    from fastai.vision.all import TensorImage

    transformed: Any = built.transform(TensorImage(images.contiguous()), split_idx=1)
    return torch.Tensor(transformed).as_subclass(torch.Tensor)
