"""A learner's transforms at validation → a recipe, and what the graph does after it."""

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
from .unpickling import Stub, held, kind_of, named

__all__ = ["Steps", "read_steps"]

CLOSE = 1e-4
"""How far a step that was read may be from fastai's own, in shares of white."""


@dataclass(frozen=True)
class Steps:
    """A validation pipeline: ``recipe``, then ``scale`` where the recipe cannot say
    how the graph scales, then ``mean`` and ``std`` of pixels between 0 and 1.
    """

    recipe: PreprocessConfig
    scale: Scale | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def read_steps(learner: Any) -> Steps:
    """Read what happens to a photo on its way into the network.

    Raises:
        ExportRefused: something there cannot be reproduced; the message names it.
    """
    loader = learner.dls.valid
    items = _active(loader.after_item)
    batches = [*_active(loader.before_batch), *_active(loader.after_batch)]
    recipe = _recipe(items)
    scale, mean, std = _batch(batches, recipe)
    if scale is None:
        return Steps(recipe, None, mean, std)
    after = len(scale.rows), len(scale.columns)
    usual = Scale.from_sizes(recipe.size, after)
    pairs = (scale.rows, usual.rows), (scale.columns, usual.columns)
    if all(float((own - one).abs().max()) <= CLOSE for own, one in pairs):
        return Steps(_checked({**recipe.model_dump(), "inside": after}), None, mean, std)
    return Steps(recipe, scale, mean, std)


def _active(pipeline: Any) -> list[Any]:
    """The transforms that act at validation, in order; missing ones that do not are dropped.

    Source: fastai's ``Pipeline`` and ``Transform``, with ``split_idx`` 1.
    """
    from fastai.vision.augment import AffineCoordTfm

    if kind := kind_of(pipeline):
        raise ExportRefused(_missing(kind))
    active = []
    for transform in list(pipeline.fs):
        missing = kind_of(transform) is not None
        values = transform.__dict__.get("state") if missing else None
        split = values.get("split_idx") if isinstance(values, dict) else None
        if not missing:
            split = getattr(transform, "split_idx", None)
        # An AffineCoordTfm sets its own split_idx whenever it is called.
        trains = split == 0 and not isinstance(transform, AffineCoordTfm)
        if missing and trains:
            pipeline.fs.remove(transform)
        if trains or _is_nothing(transform):
            continue
        if stub := held(transform):
            raise ExportRefused(_missing(stub))
        active.append(transform)
    return active


def _is_nothing(transform: Any) -> bool:
    """Whether it is the transform that fastai puts where there is none."""
    from fastai.vision.all import Transform

    return type(transform) is Transform and transform.name == "noop"


def _recipe(transforms: Sequence[Any]) -> PreprocessConfig:
    from fastai.vision.all import CropPad, RandomCrop, RandomResizedCrop, Resize, ToTensor

    values: dict[str, Any] = {}
    tensor = False
    for transform in transforms:
        kind = type(transform)
        if tensor:
            raise ExportRefused(_unknown(transform, "after ToTensor"))
        if kind is ToTensor:
            tensor = True
        elif kind is Resize and not values:
            values = _resize(transform)
        elif kind is RandomResizedCrop and not values:
            values = _random_resized_crop(transform)
        elif kind in (CropPad, RandomCrop) and values and not values.get("crop"):
            values["crop"] = _crop(transform, values["resize"])
        else:
            raise ExportRefused(_unknown(transform, "after another" if values else "first"))
    if not values:
        raise ExportRefused(
            "Its photos are not resized one by one, so its network takes photos of any size, and "
            "Loupe needs one size. Train it with item_tfms=Resize(...) and export it again."
        )
    return _checked(values)


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
        raise ExportRefused(_unknown(transform, f"with pad_mode {transform.pad_mode!r}"))
    return height, width


def _filter(mode: Any) -> str:
    known = {int(filter_): name for name, filter_ in FILTERS.items()}
    return known.get(int(mode), str(mode))


def _batch(
    transforms: Sequence[Any], recipe: PreprocessConfig
) -> tuple[Scale | None, tuple[float, float, float], tuple[float, float, float]]:
    """What is done to batches: scaling, then the mean and deviation that are taken out."""
    from fastai.vision.all import IntToFloatTensor, Normalize

    rows, columns = (torch.eye(side) for side in recipe.size)
    mean, std = np.zeros(3), np.ones(3)
    floats = normalised = False
    for transform in transforms:
        if type(transform) is IntToFloatTensor and transform.div and not floats:
            std, floats = std * transform.div / 255, True
        elif type(transform) is Normalize and floats:
            own = _three(transform.mean, transform), _three(transform.std, transform)
            # ((x - mean) / std - own mean) / own std, as one.
            mean, std, normalised = mean + own[0] * std, std * own[1], True
        elif _scales(transform) and floats and not normalised:
            more = _measured(transform, (len(rows), len(columns)))
            rows, columns = more.rows @ rows, more.columns @ columns
        else:
            raise ExportRefused(_unknown(transform, "on batches"))
    if not floats:
        raise ExportRefused(
            "Its batches have no IntToFloatTensor, so its network gets whole numbers from 0 to "
            "255. Train it with an ImageBlock, which brings one, and export it again."
        )
    same = rows.shape[0] == rows.shape[1] and columns.shape[0] == columns.shape[1]
    if same and all(
        torch.allclose(one, torch.eye(len(one)), atol=CLOSE) for one in (rows, columns)
    ):
        return None, _tuple(mean), _tuple(std)
    return Scale(rows, columns), _tuple(mean), _tuple(std)


def _changes_nothing(axis: torch.Tensor) -> bool:
    return axis.shape[0] == axis.shape[1] and torch.allclose(axis, torch.eye(len(axis)), atol=CLOSE)


def _three(numbers: Any, transform: Any) -> NDArray[np.float64]:
    """A number a channel; one alone is for all three."""
    array = np.asarray(torch.as_tensor(numbers).cpu(), dtype=np.float64).ravel()
    if array.size not in (1, 3) or not np.isfinite(array).all():
        raise ExportRefused(_unknown(transform, f"with {array.size} numbers where 3 are expected"))
    return np.broadcast_to(array, 3)


def _tuple(array: NDArray[np.float64]) -> tuple[float, float, float]:
    # Single precision is what they had, and is shorter to read: 0.485.
    first, second, third = (float(str(np.float32(number))) for number in array)
    return first, second, third


def _scales(transform: Any) -> bool:
    """Whether it is one of fastai's own that only scale at validation."""
    from fastai.vision import augment

    known = isinstance(transform, augment.AffineCoordTfm | augment.RandomResizedCropGPU)
    return known and type(transform).__module__ == augment.__name__


def _measured(transform: Any, size: tuple[int, int]) -> Scale:
    """What a transform does to images of ``size`` (height, width), found by trying.

    At validation these are linear and treat rows and columns apart, so that images
    with one bright row, then with one bright column, show all of it.
    """
    scale = Scale(_answers(transform, size, rows=True), _answers(transform, size, rows=False))
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    own, wanted = scale(image), _transformed(transform, image)
    if own.shape != wanted.shape or not float((own - wanted).abs().max()) <= CLOSE:
        raise ExportRefused(_unknown(transform, "on batches, and it is not plain scaling"))
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


def _unknown(transform: Any, how: str) -> str:
    kind = type(transform)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if kind.__name__ == "Transform":
        name = f"the transform {transform.name}"
    return (
        f"Its photos go through {name} at validation ({how}), which Loupe cannot reproduce. "
        "Known are Resize, RandomResizedCrop, a crop after either, the scaling of aug_transforms "
        "and Normalize; what only trains (split_idx=0) does not matter."
    )


def _missing(stub: Stub) -> str:
    if stub.__module__.startswith(("fastcore.transform", "fastcore.dispatch")):
        return "It was exported by a fastai before 2.8, whose transforms this one cannot read."
    return (
        f"Its photos go through {named(stub)} at validation, which is not here. Put the file that "
        "defines it into a folder named in PYTHONPATH, or install its package, and import again."
    )
