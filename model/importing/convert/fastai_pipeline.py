"""The steps of an export as real fastai transforms, and the photos that these make."""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...errors import ExportRefused
from ..inspect.learner import LearnerParts
from ..inspect.tensors import Tensor
from ..inspect.transform_table import TRANSFORMS
from ..inspect.transforms import Step
from .network_builder import Weights

__all__ = ["BuiltStep", "FastaiPipeline"]

MAX_NOISE = 0.05
"""Largest rounding error, in levels of 255; sampling 1024 × 1024 pixels in place added 0.012."""


@dataclass(frozen=True)
class BuiltStep:
    """A step with tensors of torch, and fastai's transform for it."""

    step: Step
    transform: Any


@dataclass(frozen=True)
class FastaiPipeline:
    """fastai's own transforms at validation: those of a photo, then those of a batch.

    With ``greyscale``, photos are opened without their colours, as one channel.
    """

    items: tuple[BuiltStep, ...]
    batches: tuple[BuiltStep, ...]
    greyscale: bool = False

    @classmethod
    def from_parts(cls, parts: LearnerParts, weights: Weights) -> "FastaiPipeline":
        """Return the transforms with the settings that were read.

        Raises:
            ExportRefused: fastai refuses a setting.
        """
        items, batches = _build(parts.items, weights), _build(parts.batches, weights)
        return cls(items, batches, parts.greyscale)

    def batch(self, photo: Path) -> torch.Tensor:
        """Return the network's input for a photo: float32 [1, channels, height, width].

        At validation ``aug_transforms()`` samples each pixel in place. The rounding errors of that
        are removed, because a LayerNorm after uniform black can amplify them a thousandfold.

        Source: fastai's ``learn.predict``.
        """
        from fastai.vision.augment import AffineCoordTfm
        from fastai.vision.core import PILImage, PILImageBW

        item: Any = (PILImageBW if self.greyscale else PILImage).create(photo)
        for built in self.items:
            item = built.transform(item, split_idx=1)
        batch: Any = item[None]
        for built in self.batches:
            batch = built.transform(batch, split_idx=1)
            if isinstance(built.transform, AffineCoordTfm) and built.transform.size is None:
                batch = _round_to_levels(batch)
        return torch.Tensor(batch).as_subclass(torch.Tensor)


def _round_to_levels(images: torch.Tensor) -> torch.Tensor:
    """Round images of 0 to 1 to levels of 1/255; return them unchanged if any pixel is too far."""
    levels = images * 255
    whole = levels.round()
    is_noise = bool((levels - whole).abs().max() < MAX_NOISE)
    return whole / 255 if is_noise else images


def _build(steps: Iterable[Step], weights: Weights) -> tuple[BuiltStep, ...]:
    resolved = (
        Step(
            step.name, {key: _setting(key, value, weights) for key, value in step.settings.items()}
        )
        for step in steps
    )
    return tuple(BuiltStep(step, _transform(step)) for step in resolved)


def _setting(key: str, value: Any, weights: Weights) -> Any:
    if key in ("mean", "std") and isinstance(value, tuple):  # from --normalize
        return torch.tensor(value).view(1, -1, 1, 1)
    return weights.tensor(value) if isinstance(value, Tensor) else value


def _transform(step: Step) -> Any:
    """Return fastai's transform for a step."""
    row = TRANSFORMS[step.name]
    module, _, name = (row.built_as or step.name).rpartition(".")
    make = getattr(importlib.import_module(module), name)
    try:
        return make(**row.arguments(step.settings))
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise ExportRefused(f"fastai refuses the settings of its {name}: {error}.") from None
