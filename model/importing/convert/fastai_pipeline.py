"""The steps of an export as real fastai transforms, and the preprocessing that equals them."""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import ExportRefused
from ...preprocess import PreprocessConfig
from ..inspect.learner_parts import LearnerParts
from ..inspect.tensors import Tensor
from ..inspect.transform_table import TRANSFORMS
from ..inspect.transforms import Step, fold
from .network_builder import Weights

Stats = tuple[float, float, float]


@dataclass(frozen=True)
class FastaiPipeline:
    """fastai's own transforms at validation, and a bundle's equivalent of them.

    ``items`` are the transforms of a photo, ``batches`` those of a batch. A bundle does the same
    by ``recipe``, then ``mean`` and ``std`` of pixels between 0 and 1.
    """

    items: tuple[Any, ...]
    batches: tuple[Any, ...]
    recipe: PreprocessConfig
    mean: Stats
    std: Stats

    @classmethod
    def from_parts(cls, parts: LearnerParts, weights: Weights) -> "FastaiPipeline":
        """Return the transforms with the settings that were read.

        Raises:
            ExportRefused: a step can't be reproduced, or fastai refuses a setting.
        """
        items, batches = _with_tensors(parts.items, weights), _with_tensors(parts.batches, weights)
        steps = fold(items, batches)
        return cls(
            tuple(map(_transform, items)),
            tuple(map(_transform, batches)),
            PreprocessConfig.model_validate({**steps.recipe, "greyscale": parts.greyscale}),
            _stats(steps.mean),
            _stats(steps.std),
        )

    def batch(self, photo: Path) -> torch.Tensor:
        """Return the network's input for a photo: float32 [1, channels, height, width].

        Photos in greyscale have one channel.

        Source: fastai's ``learn.predict``.
        """
        from fastai.vision.core import PILImage, PILImageBW

        item: Any = (PILImageBW if self.recipe.greyscale else PILImage).create(photo)
        for transform in self.items:
            item = transform(item, split_idx=1)
        batch: Any = item[None]
        for transform in self.batches:
            batch = transform(batch, split_idx=1)
        return torch.Tensor(batch).as_subclass(torch.Tensor)


def _stats(array: NDArray[np.float64]) -> Stats:
    # Round to float32, as stored: 0.485.
    first, second, third = (float(str(np.float32(number))) for number in array)
    return first, second, third


def _with_tensors(steps: Iterable[Step], weights: Weights) -> list[Step]:
    """Return steps whose settings are tensors of torch where they were tensors of the file."""
    return [
        Step(
            step.name, {key: _setting(key, value, weights) for key, value in step.settings.items()}
        )
        for step in steps
    ]


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
