"""Steps that were read from an export → real fastai transforms, and the photos they make."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from ...errors import ExportRefused
from ..inspect.learner import LearnerParts
from ..inspect.tensors import Tensor
from ..inspect.transforms import AFFINE, Step
from .network_builder import Weights

__all__ = ["FastaiPipeline"]

MAX_NOISE = 0.05
"""Levels of 255. Sampling 1024 × 1024 pixels in place was seen to add 0.012."""
WIDTH_FIRST = {"Resize", "RandomResizedCrop", "CropPad", "RandomCrop"}


@dataclass(frozen=True)
class FastaiPipeline:
    """fastai's own transforms at validation: those of a photo, then those of a batch.

    With ``greyscale``, photos are opened without their colours, as one channel.
    """

    items: tuple[Any, ...]
    batches: tuple[Any, ...]
    greyscale: bool = False

    @classmethod
    def from_parts(cls, parts: LearnerParts, weights: Weights) -> "FastaiPipeline":
        """Return the transforms with the settings that were read.

        Raises:
            ExportRefused: fastai refuses a setting.
        """
        return cls(
            tuple(_transform(step, weights) for step in parts.items),
            tuple(_transform(step, weights) for step in parts.batches),
            parts.greyscale,
        )

    def batch(self, photo: Path) -> torch.Tensor:
        """Return what the network gets for a photo: float32 [1, channels, height, width].

        At validation ``aug_transforms()`` samples each pixel at its own place. What that adds in
        rounding errors is removed, because a LayerNorm after uniform black can amplify it a
        thousandfold.

        Source: fastai's ``learn.predict``.
        """
        from fastai.vision.augment import AffineCoordTfm
        from fastai.vision.core import PILImage, PILImageBW

        item: Any = (PILImageBW if self.greyscale else PILImage).create(photo)
        for transform in self.items:
            item = transform(item, split_idx=1)
        batch: Any = item[None]
        for transform in self.batches:
            batch = transform(batch, split_idx=1)
            if isinstance(transform, AffineCoordTfm) and transform.size is None:
                batch = _round_to_levels(batch)
        return torch.Tensor(batch).as_subclass(torch.Tensor)


def _round_to_levels(images: torch.Tensor) -> torch.Tensor:
    """Return images of 0 to 1 with whole levels in 255, or as they are if they aren't near them."""
    levels = images * 255
    whole = levels.round()
    is_noise = bool((levels - whole).abs().max() < MAX_NOISE)
    return whole / 255 if is_noise else images


def _transform(step: Step, weights: Weights) -> Any:
    """Return fastai's transform for a step."""
    from fastai.data import transforms
    from fastai.vision import augment

    name = step.name.rpartition(".")[2]
    settings = {key: _setting(value, weights) for key, value in step.settings.items()}
    if name in WIDTH_FIRST and "size" in settings:
        # fastai keeps the width first there, and takes the height first.
        settings["size"] = tuple(reversed(settings["size"]))
    try:
        if step.name in AFFINE:
            made = augment.AffineCoordTfm(**settings)
        elif name in ("Resize", "RandomResizedCrop"):
            resamples = Image.Resampling(settings.pop("mode", 2)), Image.Resampling.NEAREST
            made = getattr(augment, name)(**settings, resamples=resamples)
        elif name == "RatioResize":
            photo, mask = map(Image.Resampling, settings["resamples"])
            made = augment.RatioResize(settings["max_sz"], resamples=(photo, mask))
        elif name in ("ToTensor", "IntToFloatTensor"):
            made = getattr(transforms, name)(**settings)
        elif name == "Normalize":
            made = transforms.Normalize(**settings)
        else:
            made = getattr(augment, name)(**settings)
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise ExportRefused(f"fastai refuses the settings of its {name}: {error}.") from None
    if step.order is not None:
        made.order = step.order
    return made


def _setting(value: Any, weights: Weights) -> Any:
    return weights.tensor(value) if isinstance(value, Tensor) else value
