"""fastai's transforms at validation → a preprocessing config, and what the graph does after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from ...errors import ExportRefused
from ...learner.inference_module import Scale
from ...preprocess import FILTERS, PreprocessConfig
from .fastai_pipeline import FastaiPipeline
from .measured_scale import CLOSE, measure_resize, measure_scaling, unknown

__all__ = ["GraphInput", "read_recipe"]

Stats = tuple[float, float, float]


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
    """Return what happens to a photo on its way into the network.

    Raises:
        ExportRefused: something there can't be reproduced; the message names it.
    """
    recipe, again = _recipe(pipeline.items)
    if pipeline.greyscale:
        recipe = recipe.model_copy(update={"greyscale": True})
    scale, mean, std = _batch(pipeline.batches, recipe.size, again)
    if scale is None:
        return GraphInput(recipe, None, mean, std)
    after = len(scale.rows), len(scale.columns)
    usual = Scale.from_sizes(recipe.size, after)
    pairs = (scale.rows, usual.rows), (scale.columns, usual.columns)
    if all(float((own - one).abs().max()) <= CLOSE for own, one in pairs):
        recipe = _checked({**recipe.model_dump(), "inside": after})
        return GraphInput(recipe, None, mean, std)
    return GraphInput(recipe, scale, mean, std)


def _recipe(transforms: Sequence[Any]) -> tuple[PreprocessConfig, list[Any]]:
    """Return what is done to a photo, and the resizes after the first one."""
    from fastai.vision.all import (
        CropPad,
        RandomCrop,
        RandomResizedCrop,
        RatioResize,
        Resize,
        ToTensor,
    )

    values: dict[str, Any] = {}
    again: list[Any] = []
    tensor = False
    for transform in transforms:
        kind = type(transform)
        if tensor:
            raise ExportRefused(unknown(transform, "after ToTensor"))
        if kind is ToTensor:
            tensor = True
        elif kind is Resize and not values:
            values = _resize(transform)
        elif kind is RandomResizedCrop and not values:
            values = _random_resized_crop(transform)
        elif kind in (CropPad, RandomCrop) and values and not values.get("crop") and not again:
            values["crop"] = _crop(transform, values["resize"])
        elif kind in (Resize, RatioResize) and values:
            again.append(transform)
        elif kind is RatioResize:
            raise ExportRefused(
                "RatioResize comes first, so every photo gets another size, and Loupe needs one. "
                "Train it with item_tfms=Resize(..., method='pad') and export it again."
            )
        else:
            raise ExportRefused(unknown(transform, "after another" if values else "first"))
    if not values:
        raise ExportRefused(
            "Its photos are not resized one by one, so its network takes photos of any size, and "
            "Loupe needs one size. Train it with item_tfms=Resize(...) and export it again."
        )
    return _checked(values), again


def _checked(values: dict[str, Any]) -> PreprocessConfig:
    try:
        return PreprocessConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise ExportRefused(
            f"Its photos are resized in a way that Loupe does not know: {where}: {first['msg']}."
        ) from None


def _resize(transform: Any) -> dict[str, Any]:
    """``Resize``: at validation the centre."""
    width, height = transform.size
    return {
        "resize": (height, width),
        "method": str(transform.method),
        "padding": str(transform.pad_mode),
        "interpolation": _filter(transform.mode),
    }


def _random_resized_crop(transform: Any) -> dict[str, Any]:
    """``RandomResizedCrop``: at validation distorted to a little more, then its centre."""
    width, height = transform.size
    extra = int(np.ceil(max(width, height) * transform.val_xtra / 8) * 8)
    return {
        "resize": (height + extra, width + extra),
        "method": "squish",
        "interpolation": _filter(transform.mode),
        "crop": (height, width) if extra else None,
    }


def _crop(transform: Any, resized: tuple[int, int]) -> tuple[int, int]:
    """``CropPad`` and ``RandomCrop`` after resizing: at validation the centre."""
    width, height = transform.size
    pads = height > resized[0] or width > resized[1]
    if pads and getattr(transform, "pad_mode", "zeros") != "zeros":
        raise ExportRefused(unknown(transform, f"with pad_mode {transform.pad_mode!r}"))
    return height, width


def _filter(mode: Any) -> str:
    known = {int(filter_): name for name, filter_ in FILTERS.items()}
    return known.get(int(mode), str(mode))


def _batch(
    transforms: Sequence[Any], size: tuple[int, int], again: Sequence[Any]
) -> tuple[Scale | None, Stats, Stats]:
    """Return the batch transforms: the scaling, then mean and standard deviation.

    Args:
        transforms: those of batches.
        size: height and width of a photo's pixels.
        again: resizes of photos of this size, which come first.
    """
    from fastai.vision.all import IntToFloatTensor, Normalize

    rows, columns = (torch.eye(side) for side in size)
    for transform in again:
        more = measure_resize(transform, (len(rows), len(columns)))
        rows, columns = more.rows @ rows, more.columns @ columns
    mean, std = np.zeros(3), np.ones(3)
    floats = normalised = False
    for transform in transforms:
        if type(transform) is IntToFloatTensor and transform.div and not floats:
            std, floats = std * transform.div / 255, True
        elif type(transform) is Normalize and floats:
            own = (
                _channel_stats(transform.mean, transform),
                _channel_stats(transform.std, transform),
            )
            # ((x - mean) / std - own mean) / own std, as one.
            mean, std, normalised = mean + own[0] * std, std * own[1], True
        elif _scales(transform) and floats and not normalised:
            more = measure_scaling(transform, (len(rows), len(columns)))
            rows, columns = more.rows @ rows, more.columns @ columns
        else:
            raise ExportRefused(unknown(transform, "on batches"))
    if not floats:
        raise ExportRefused(
            "Its batches have no IntToFloatTensor, so its network gets whole numbers from 0 to "
            "255. Train it with an ImageBlock, which brings one, and export it again."
        )
    if _changes_nothing(rows) and _changes_nothing(columns):
        return None, _tuple(mean), _tuple(std)
    return Scale(rows, columns), _tuple(mean), _tuple(std)


def _changes_nothing(axis: torch.Tensor) -> bool:
    return axis.shape[0] == axis.shape[1] and torch.allclose(axis, torch.eye(len(axis)), atol=CLOSE)


def _channel_stats(numbers: Any, transform: Any) -> NDArray[np.float64]:
    """Return one number per channel; one alone is for all three."""
    array = np.asarray(torch.as_tensor(numbers).cpu(), dtype=np.float64).ravel()
    if array.size not in (1, 3) or not np.isfinite(array).all():
        raise ExportRefused(unknown(transform, f"with {array.size} numbers where 3 are expected"))
    return np.broadcast_to(array, 3)


def _tuple(array: NDArray[np.float64]) -> Stats:
    # Single precision is what they had, and is shorter to read: 0.485.
    first, second, third = (float(str(np.float32(number))) for number in array)
    return first, second, third


def _scales(transform: Any) -> bool:
    """Whether it is one of fastai's own that only scale at validation."""
    from fastai.vision import augment

    known = isinstance(transform, augment.AffineCoordTfm | augment.RandomResizedCropGPU)
    return known and type(transform).__module__ == augment.__name__
