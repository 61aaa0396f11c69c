"""fastai's transforms as placeholders → which of them act at validation, and their settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import ExportRefused
from .placeholders import Placeholder, PlaceholderType
from .tensors import as_tensor
from .values import Unreadable, elements, full_name, plain

__all__ = ["Step", "acting_steps", "is_noop", "transforms_of"]

AUGMENT = "fastai.vision.augment"
TRANSFORMS = "fastai.data.transforms"

ONLY_TRAINS = frozenset(
    f"{AUGMENT}.{name}"
    for name in (
        "Brightness Contrast DihedralItem FlipItem Hue LightingTfm RandomErasing Saturation "
        "SpaceTfm"
    ).split()
)
"""fastai's transforms that do nothing at validation."""

AFFINE = frozenset(
    f"{AUGMENT}.{name}"
    for name in (
        "AffineCoordTfm DeterministicDihedral DeterministicFlip Dihedral Flip Rotate Warp Zoom"
    ).split()
)
"""fastai's transforms of batches that only resize at validation, if they have a size."""

SETTINGS: Mapping[str, tuple[str, ...]] = {
    f"{AUGMENT}.Resize": ("size", "method", "pad_mode", "mode"),
    f"{AUGMENT}.RatioResize": ("max_sz", "resamples"),
    f"{AUGMENT}.RandomResizedCrop": ("size", "val_xtra", "mode"),
    f"{AUGMENT}.CropPad": ("size", "pad_mode"),
    f"{AUGMENT}.RandomCrop": ("size",),
    f"{AUGMENT}.RandomResizedCropGPU": ("size", "ratio", "mode", "valid_scale"),
    f"{TRANSFORMS}.ToTensor": (),
    f"{TRANSFORMS}.IntToFloatTensor": ("div",),
    f"{TRANSFORMS}.Normalize": ("mean", "std"),
    **dict.fromkeys(sorted(AFFINE), ("size", "mode", "pad_mode", "align_corners")),
}
"""fastai's transforms that act at validation, and the attributes that matter there."""

NOOP = {"fastai.imports.noop", "fastcore.imports.noop", "fastcore.basics.noop"}
FUNCTIONS = {"fastcore.transform.Transform", "fasttransform.transform.Transform"}
"""The transform that fastai puts around a plain function."""


@dataclass(frozen=True, slots=True)
class Step:
    """A transform that acts at validation, and its settings as plain values.

    A setting that is a tensor (the mean of ``Normalize``) is a ``Tensor``. ``order`` is the
    place that the export gives the transform, if any.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    order: float | None = None


def transforms_of(pipeline: Any) -> list[Any]:
    """Return the transforms of a fastai ``Pipeline``.

    Raises:
        ExportRefused: it is no pipeline.
    """
    try:
        return elements(pipeline.attributes["fs"])
    except (AttributeError, KeyError, Unreadable):
        raise ExportRefused(
            f"Its photos go through {full_name(pipeline)}, which is no fastai pipeline."
        ) from None


def acting_steps(pipeline: Any) -> tuple[Step, ...]:
    """Return the transforms of a pipeline that act at validation, in order.

    Raises:
        ExportRefused: one is not fastai's own, or its settings are not plain values.
    """
    return tuple(
        _step(transform)
        for transform in transforms_of(pipeline)
        if not (is_noop(transform) or _only_trains(transform))
    )


def is_noop(transform: Any) -> bool:
    """Return whether it is fastai's empty transform."""
    return full_name(transform) in FUNCTIONS and wrapped_name(transform) in NOOP


def wrapped_name(transform: Placeholder) -> str:
    """Return the full name of the function that a transform wraps, if it goes by a name."""
    function = wrapped_function(transform)
    return function.full if isinstance(function, PlaceholderType) else ""


def wrapped_function(transform: Placeholder) -> Any:
    """Return the function that a ``Transform`` wraps, as a placeholder; None if it has none."""
    # The first is how fastai before 2.8 wrote it.
    function = transform.attributes.get("init_enc")
    if function is None:
        dispatcher = transform.attributes.get("encodes")
        if isinstance(dispatcher, Placeholder):
            function = dispatcher.attributes.get("_f")
    return function


def _only_trains(transform: Any) -> bool:
    name = full_name(transform)
    if name in AFFINE:
        # Such a transform sets its own split_idx whenever it is called.
        return False
    if not isinstance(transform, Placeholder):
        return False
    split = transform.attributes.get("split_idx")
    return split == 0 or (name in ONLY_TRAINS and split is None)


def _step(transform: Any) -> Step:
    name = full_name(transform)
    if name in FUNCTIONS or name not in SETTINGS or not isinstance(transform, Placeholder):
        raise ExportRefused(unknown_transform(_title(transform)))
    attributes = transform.attributes
    try:
        settings = {key: _setting(attributes[key]) for key in SETTINGS[name] if key in attributes}
    except (Unreadable, ValueError) as error:
        raise ExportRefused(
            f"The settings of its transform {name} can't be read: {error}."
        ) from None
    order = attributes.get("order")
    return Step(name, settings, order if isinstance(order, int | float) else None)


def _setting(value: Any) -> Any:
    tensor = as_tensor(value)
    return plain(value) if tensor is None else tensor


def _title(transform: Any) -> str:
    """Name a transform as its author knows it."""
    name = full_name(transform)
    if name in FUNCTIONS and isinstance(transform, Placeholder):
        function = transform.attributes.get("_name")
        return f"the transform {wrapped_name(transform) or function}"
    return name


def unknown_transform(title: str, how: str = "") -> str:
    """Return a message about a transform that cannot be reproduced."""
    where = f" ({how})" if how else ""
    return (
        f"Its photos go through {title} at validation{where}, which Loupe cannot reproduce. Known "
        "are Resize, RandomResizedCrop, a crop or another Resize after either, the scaling of "
        "aug_transforms and Normalize; transforms that only train (split_idx=0) don't matter."
    )
