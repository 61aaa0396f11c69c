"""The transforms of fastai's pipelines that act at validation, read from placeholders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ...errors import ExportRefused
from ...preprocess import PreprocessConfig
from .placeholders import Placeholder, PlaceholderType, Unreadable, elements, full_name, plain
from .tensors import as_tensor
from .transform_table import AFFINE, AUGMENT, TRANSFORMS, CannotFold, Preprocessing

ONLY_TRAINS = frozenset(
    f"{AUGMENT}.{name}"
    for name in (
        "Brightness Contrast DihedralItem FlipItem Hue LightingTfm RandomErasing Saturation "
        "SpaceTfm"
    ).split()
)
"""fastai's transforms that do nothing at validation."""

REFUSED = {
    f"{AUGMENT}.RatioResize": "RatioResize gives every photo another size, and Loupe needs one. "
    "Train it with item_tfms=Resize(..., method='pad') and export it again."
}
"""Messages of transforms with a remedy of their own."""

NOOP = {"fastai.imports.noop", "fastcore.imports.noop", "fastcore.basics.noop"}
FUNCTIONS = {"fastcore.transform.Transform", "fasttransform.transform.Transform"}
"""The transform that fastai puts around a plain function."""


@dataclass(frozen=True, slots=True)
class Step:
    """A transform of ``TRANSFORMS`` by name, and its settings as plain values.

    A setting that is a tensor (the mean of ``Normalize``) is a ``Tensor``.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, **settings: Any) -> "Step":
        """Return a step with fastai's defaults for all other settings."""
        return cls(name, {**TRANSFORMS[name].settings, **settings})


def attribute_elements(owner: Any, name: str, title: str, expected: str) -> list[Any]:
    """Return the elements of an object's attribute.

    Raises:
        ExportRefused: the object isn't fastai's ``expected``; begins with ``title``.
    """
    try:
        return elements(owner.attributes.get(name) if isinstance(owner, Placeholder) else None)
    except Unreadable:
        raise ExportRefused(f"{title} {full_name(owner)}, and not fastai's {expected}.") from None


def transforms_of(pipeline: Any) -> list[Any]:
    """Return the transforms of a fastai ``Pipeline``.

    Raises:
        ExportRefused: the object is not a pipeline.
    """
    return attribute_elements(pipeline, "fs", "Its photos go through", "Pipeline")


def acting_steps(pipeline: Any) -> tuple[Step, ...]:
    """Return the transforms of a pipeline that act at validation, in order.

    ``aug_transforms`` without a size sample each pixel in place there. They are left out, because
    a LayerNorm after uniform black can amplify their rounding errors a thousandfold.

    Raises:
        ExportRefused: one is not fastai's own, or its settings are not plain values.
    """
    steps = [
        _step(transform)
        for transform in transforms_of(pipeline)
        if not (is_noop(transform) or _only_trains(transform))
    ]
    return tuple(
        step
        for step in steps
        if TRANSFORMS[step.name] is not AFFINE or step.settings["size"] is not None
    )


def fold(items: Sequence[Step], batches: Sequence[Step]) -> Preprocessing:
    """Return what the transforms of photos, then those of batches, do to a photo.

    Its recipe is a valid ``PreprocessConfig``. Statistics that are ``Tensor``s are left out.

    Raises:
        ExportRefused: a transform can't be reproduced, or photos don't get one size.
    """
    steps = Preprocessing()
    for step in items:
        _fold(steps, step, of_batches=False)
    if not steps.recipe:
        raise ExportRefused(
            "Its photos are not resized one by one, so its network takes photos of any size, and "
            "Loupe needs one size. Train it with item_tfms=Resize(...) and export it again."
        )
    for step in batches:
        _fold(steps, step, of_batches=True)
    if not steps.is_float:
        raise ExportRefused(
            "Its batches have no IntToFloatTensor, so its network gets whole numbers from 0 to "
            "255. Train it with an ImageBlock, which brings one, and export it again."
        )
    try:
        PreprocessConfig.model_validate(steps.recipe)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ExportRefused(
            f"Its photos are resized in a way that Loupe does not know: {where}: {first['msg']}."
        ) from None
    return steps


def _fold(steps: Preprocessing, step: Step, *, of_batches: bool) -> None:
    row = TRANSFORMS[step.name]
    try:
        if steps.is_tensor and not of_batches:
            raise CannotFold("after ToTensor")
        if row.of_batches is not of_batches:
            raise CannotFold("on batches" if of_batches else "on single photos")
        row.fold(steps, step.settings)
    except CannotFold as error:
        raise ExportRefused(unknown_transform(step.name, str(error))) from None
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise ExportRefused(_unreadable(step.name, error)) from None


def is_noop(transform: Any) -> bool:
    """Return True for fastai's empty transform."""
    return full_name(transform) in FUNCTIONS and wrapped_name(transform) in NOOP


def wrapped_name(transform: Placeholder) -> str:
    """Return the full name of the function that a transform wraps, if it goes by a name."""
    function = wrapped_function(transform)
    return function.full if isinstance(function, PlaceholderType) else ""


def wrapped_function(transform: Placeholder) -> Any:
    """Return the function that a ``Transform`` wraps, as a placeholder; None if it has none."""
    # fastai before 2.8 wrote init_enc.
    function = transform.attributes.get("init_enc")
    if function is None:
        dispatcher = transform.attributes.get("encodes")
        if isinstance(dispatcher, Placeholder):
            function = dispatcher.attributes.get("_f")
    return function


def _only_trains(transform: Any) -> bool:
    name = full_name(transform)
    # Affine transforms set their own split_idx whenever they are called.
    if TRANSFORMS.get(name) is AFFINE or not isinstance(transform, Placeholder):
        return False
    split = transform.attributes.get("split_idx")
    return split == 0 or (name in ONLY_TRAINS and split is None)


def _step(transform: Any) -> Step:
    name = full_name(transform)
    if name in REFUSED:
        raise ExportRefused(REFUSED[name])
    if name not in TRANSFORMS or not isinstance(transform, Placeholder):
        raise ExportRefused(unknown_transform(_title(transform)))
    row, attributes = TRANSFORMS[name], transform.attributes
    try:
        settings = {
            key: _setting(attributes[key]) if key in attributes else default
            for key, default in row.settings.items()
        }
        if settings.get("size") is not None:
            settings["size"] = _size(settings["size"], width_first=row.width_first)
    except (Unreadable, ValueError) as error:
        raise ExportRefused(_unreadable(name, error)) from None
    return Step(name, settings)


def _setting(value: Any) -> Any:
    tensor = as_tensor(value)
    return plain(value) if tensor is None else tensor


def _size(value: Any, *, width_first: bool) -> tuple[int, int]:
    sides = value if isinstance(value, tuple | list) else (value, value)
    if len(sides) != 2 or not all(type(side) is int and 0 < side < 2**16 for side in sides):
        raise Unreadable("its size isn't a height and a width")
    first, second = sides
    return (second, first) if width_first else (first, second)


def _title(transform: Any) -> str:
    """Return a transform's name as its author knows it."""
    name = full_name(transform)
    if name in FUNCTIONS and isinstance(transform, Placeholder):
        function = transform.attributes.get("_name")
        return f"the transform {wrapped_name(transform) or function}"
    return name


def _unreadable(name: str, error: Exception) -> str:
    return f"The settings of its transform {name} can't be read: {error}."


def unknown_transform(title: str, place: str = "") -> str:
    """Return a message about a transform that can't be reproduced; ``place`` says where."""
    where = f" ({place})" if place else ""
    known = sorted(name.rpartition(".")[2] for name in TRANSFORMS)
    return (
        f"Its photos go through {title} at validation{where}, which Loupe can't reproduce. "
        f"Supported: {', '.join(known)}. Transforms of training alone (split_idx=0) don't matter."
    )
