"""fastai's transforms at validation: a row each for reading, folding and applying.

Nothing here needs torch, so that ``doctor`` knows them as well.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import ExportRefused
from ...preprocess import FILTERS
from .tensors import Tensor

Settings = Mapping[str, Any]

AUGMENT = "fastai.vision.augment"
TRANSFORMS_MODULE = "fastai.data.transforms"

RESIZED_TWICE = (
    "Its photos are resized twice, and Loupe resizes them once: fastai rounds pixels in between. "
    "Train it with one Resize (to change the size again, use batch_tfms=aug_transforms(size=...)) "
    "and export it again."
)

UNUSUAL_SCALING = (
    "Its batches are resized in a way that Loupe can't reproduce: it knows one resize of whole "
    "images, as by aug_transforms(size=...): mode='bilinear', align_corners=True. Train it with "
    "that and export it again."
)


class CannotFold(Exception):
    """A transform that can't be reproduced at its position, which ``str()`` names."""


@dataclass(slots=True)
class Preprocessing:
    """Everything done to a photo, put together transform by transform.

    ``recipe`` holds values of a ``PreprocessConfig``. ``mean`` and ``std`` are float64 [3], of
    pixels between 0 and 1.
    """

    recipe: dict[str, Any] = field(default_factory=dict)
    is_tensor: bool = False
    is_float: bool = False
    is_normalised: bool = False
    mean: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    std: NDArray[np.float64] = field(default_factory=lambda: np.ones(3))

    def describe(self) -> str:
        """Return it in words, for ``doctor``."""
        steps = {"resize": "resized to", "crop": "cut to", "inside": "resized as batches to"}
        words = [
            f"{words} {size[0]} × {size[1]}"
            for name, words in steps.items()
            if (size := self.recipe.get(name))
        ]
        words[0] += f" ({self.recipe['method']})"
        return ", ".join([*words, *(["normalised"] if self.is_normalised else [])])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images so far."""
        names = ("inside", "crop", "resize")
        height, width = next(filter(None, map(self.recipe.get, names)))
        return height, width


@dataclass(frozen=True, slots=True)
class Transform:
    """A transform that acts at validation.

    Attributes:
        settings: the attributes that matter there, with fastai's defaults. ``size`` is read as
            (height, width), or None.
        fold: adds what the transform does to the preprocessing.
        arguments: returns the arguments of fastai's constructor.
        width_first: fastai keeps ``size`` as (width, height).
        of_batches: it takes batches, not single photos.
        built_as: the class that does the same at validation; by default its own.
    """

    settings: Settings
    fold: Callable[[Preprocessing, Settings], None]
    arguments: Callable[[Settings], dict[str, Any]] = dict
    width_first: bool = False
    of_batches: bool = False
    built_as: str = ""


def _fold_resize(steps: Preprocessing, settings: Settings) -> None:
    """Fold ``Resize``, which takes the centre at validation."""
    _start_recipe(
        steps,
        settings,
        resize=settings["size"],
        method=str(settings["method"]),
        padding=str(settings["pad_mode"]),
    )


def _fold_random_resized_crop(steps: Preprocessing, settings: Settings) -> None:
    """Fold ``RandomResizedCrop``: at validation a squish to a larger size, then its centre."""
    height, width = settings["size"]
    extra = ceil(max(width, height) * settings["val_xtra"] / 8) * 8
    resize = height + extra, width + extra
    crop = settings["size"] if extra else None
    _start_recipe(steps, settings, resize=resize, method="squish", crop=crop)


def _start_recipe(steps: Preprocessing, settings: Settings, **values: Any) -> None:
    if steps.recipe:
        raise ExportRefused(RESIZED_TWICE)
    names = {int(filter_): name for name, filter_ in FILTERS.items()}
    mode = int(settings["mode"])
    steps.recipe |= {**values, "interpolation": names.get(mode, str(mode))}


def _fold_crop(steps: Preprocessing, settings: Settings) -> None:
    """Fold ``CropPad`` or ``RandomCrop`` after resizing: at validation the centre."""
    if not steps.recipe or steps.recipe.get("crop"):
        raise CannotFold("after another" if steps.recipe else "first")
    size, resized = settings["size"], steps.recipe["resize"]
    pads = size[0] > resized[0] or size[1] > resized[1]
    if pads and settings.get("pad_mode", "zeros") != "zeros":
        raise CannotFold(f"with pad_mode {settings['pad_mode']!r}")
    steps.recipe["crop"] = size


def _fold_to_tensor(steps: Preprocessing, _: Settings) -> None:
    steps.is_tensor = True


def _fold_int_to_float(steps: Preprocessing, settings: Settings) -> None:
    if steps.is_float or not settings["div"]:
        raise CannotFold("on batches")
    steps.std, steps.is_float = steps.std * settings["div"] / 255, True


def _fold_normalize(steps: Preprocessing, settings: Settings) -> None:
    if not steps.is_float:
        raise CannotFold("on batches")
    steps.is_normalised = True
    if isinstance(settings["mean"], Tensor) or isinstance(settings["std"], Tensor):  # not read yet
        return
    mean, std = (_channel_stats(settings[key]) for key in ("mean", "std"))
    # ((x - mean) / std - own mean) / own std, as one normalisation.
    steps.mean, steps.std = steps.mean + mean * steps.std, steps.std * std


def _channel_stats(numbers: Any) -> NDArray[np.float64]:
    """Return one number per channel; a single number applies to all three."""
    array = np.asarray(numbers, dtype=np.float64).ravel()
    if array.size not in (1, 3) or not np.isfinite(array).all():
        raise CannotFold(f"with {array.size} numbers where 3 are expected")
    return np.broadcast_to(array, 3)


def _fold_scaling(steps: Preprocessing, settings: Settings) -> None:
    """Fold the resizing of batches; at validation ``aug_transforms`` do nothing else.

    ``RandomResizedCropGPU`` takes the centre within its ratios.
    """
    if not steps.is_float or steps.is_normalised:
        raise CannotFold("on batches")
    height, width = steps.size
    narrowest, widest = settings.get("ratio", (0, inf))
    is_whole = settings.get("valid_scale", 1) == 1 and narrowest <= width / height <= widest
    if is_whole and settings["size"] == steps.size:
        return
    is_usual = settings["mode"] == "bilinear" and settings.get("align_corners", True)
    if not is_whole or not is_usual or "inside" in steps.recipe:
        raise ExportRefused(UNUSUAL_SCALING)
    steps.recipe["inside"] = settings["size"]


def _with_resamples(settings: Settings) -> dict[str, Any]:
    """Return settings for a constructor that takes the filters of photos and of masks."""
    others = {key: value for key, value in settings.items() if key != "mode"}
    filters = Image.Resampling(settings["mode"]), Image.Resampling.NEAREST
    return {**others, "resamples": filters}


BILINEAR = int(Image.Resampling.BILINEAR)

AFFINE = Transform(
    {"size": None, "mode": "bilinear", "pad_mode": "reflection", "align_corners": None},
    _fold_scaling,
    of_batches=True,
    built_as=f"{AUGMENT}.AffineCoordTfm",
)
"""Transforms of ``aug_transforms``: at validation they only resize, if they have a size."""

TRANSFORMS: Mapping[str, Transform] = {
    f"{AUGMENT}.Resize": Transform(
        {"size": None, "method": "crop", "pad_mode": "reflection", "mode": BILINEAR},
        _fold_resize,
        _with_resamples,
        width_first=True,
    ),
    f"{AUGMENT}.RandomResizedCrop": Transform(
        {"size": None, "val_xtra": 0.14, "mode": BILINEAR},
        _fold_random_resized_crop,
        _with_resamples,
        width_first=True,
    ),
    f"{AUGMENT}.CropPad": Transform(
        {"size": None, "pad_mode": "zeros"}, _fold_crop, width_first=True
    ),
    f"{AUGMENT}.RandomCrop": Transform({"size": None}, _fold_crop, width_first=True),
    f"{TRANSFORMS_MODULE}.ToTensor": Transform({}, _fold_to_tensor),
    f"{TRANSFORMS_MODULE}.IntToFloatTensor": Transform(
        {"div": 255.0}, _fold_int_to_float, of_batches=True
    ),
    f"{AUGMENT}.RandomResizedCropGPU": Transform(
        {"size": None, "ratio": (3 / 4, 4 / 3), "mode": "bilinear", "valid_scale": 1.0},
        _fold_scaling,
        of_batches=True,
    ),
    **dict.fromkeys(
        (
            f"{AUGMENT}.{name}"
            for name in (
                "AffineCoordTfm DeterministicDihedral DeterministicFlip Dihedral Flip Rotate Warp "
                "Zoom"
            ).split()
        ),
        AFFINE,
    ),
    f"{TRANSFORMS_MODULE}.Normalize": Transform(
        {"mean": None, "std": None}, _fold_normalize, of_batches=True
    ),
}
"""The transforms that an import understands, by full name."""
