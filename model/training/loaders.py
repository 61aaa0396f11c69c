"""fastai data loaders over small copies: varied to learn from, exact to be measured on."""

import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..preprocess import FILTERS, Pixels, PreprocessConfig, fit_aspect
from ..resources import cores
from .backbones import Backbone
from .config import Hyperparameters

__all__ = ["COPY", "copy_of", "loaders"]

COPY = 1.25
"""Side of a small copy, in sides of what the network sees."""

LONGEST = 3
"""Sides of a small copy, at most: a strip of a photo would stay large in one direction."""

MANY = 500
"""Photos from which on a process of its own prepares them."""


def copy_of(image: Image.Image, recipe: PreprocessConfig) -> Image.Image:
    """The small copy of a photo, somewhat larger than the recipe asks for.

    What the recipe would cut off stays: it is learnt from, too.
    """
    height, width = (round(side * COPY) for side in recipe.resize)
    if recipe.method != "crop":
        return fit_aspect(image, recipe).resize((width, height), FILTERS[recipe.interpolation])
    image = _middle(image, LONGEST)
    scale = max(height / image.height, width / image.width)
    size = round(image.width * scale), round(image.height * scale)
    return image.resize(size, FILTERS[recipe.interpolation])


def _middle(image: Image.Image, most: int) -> Image.Image:
    """The middle of an image that is more than ``most`` times as long as wide."""
    wide = min(image.width, most * image.height)
    high = min(image.height, most * image.width)
    left, top = (image.width - wide) // 2, (image.height - high) // 2
    return image.crop((left, top, left + wide, top + high))


def loaders(
    copies: Sequence[Path],
    targets: Sequence[int],
    held_out: Pixels,
    held_out_targets: Sequence[int],
    labels: Sequence[str],
    chosen: Backbone,
    hyper: Hyperparameters,
    batch: int = 32,
) -> Any:
    """``DataLoaders`` whose training photos are varied and whose held-out ones are exact.

    Args:
        copies: small copies to learn from.
        targets: indices of their labels.
        held_out: uint8 [N, height, width, 3], by the bundle's recipe.
        held_out_targets: indices of their labels.
        labels: all labels, in the model's order.
    """
    from fastai.vision.all import CategoryBlock, DataBlock, ImageBlock, Normalize

    side = held_out.shape[1]
    everything = [*copies, *held_out]
    indices = [*targets, *held_out_targets]
    first = len(copies)
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock(vocab=list(labels), sort=False)),
        get_x=lambda place: _picture(everything[place]),
        get_y=lambda place: labels[indices[place]],
        splitter=lambda items: (list(range(first)), list(range(first, len(items)))),
        item_tfms=[varied(side, chosen, hyper)],
        batch_tfms=[Normalize.from_stats(chosen.mean, chosen.std)],
    )
    return block.dataloaders(
        list(range(len(everything))),
        bs=min(batch, max(2, first // 2)),
        val_bs=batch,
        num_workers=min(4, max(1, cores() - 1)) if first >= MANY and _forks() else 0,
        drop_last=True,
    )


def _forks() -> bool:
    """Whether a process of its own shares what is here; elsewhere fastai's blocks, which
    hold functions, cannot be sent to it.
    """
    return multiprocessing.get_start_method() == "fork"


def _picture(what: Path | Pixels) -> Any:
    from fastai.vision.all import PILImage

    if isinstance(what, Path):
        with Image.open(what, formats=["JPEG"]) as copy:
            return PILImage.create(np.asarray(copy.convert("RGB")))
    return PILImage.create(what)


def varied(side: int, chosen: Backbone, hyper: Hyperparameters) -> Any:
    """A fastai transform: a random part of a photo, mirrored or not, with RandAugment.

    Source: timm's own training transforms (Cubuk et al., RandAugment, 2020).
    """
    from fastai.vision.all import PILImage, Transform
    from timm.data.auto_augment import rand_augment_transform
    from timm.data.transforms import RandomResizedCropAndInterpolation
    from torchvision.transforms import Compose, RandomHorizontalFlip

    grey = tuple(round(255 * value) for value in chosen.mean)
    changes = [
        RandomResizedCropAndInterpolation(  # type: ignore[no-untyped-call]
            side, scale=(hyper.min_scale, 1.0), interpolation=chosen.interpolation
        ),
        RandomHorizontalFlip(),
    ]
    if hyper.magnitude:
        changes.append(
            rand_augment_transform(
                f"rand-m{hyper.magnitude}-mstd0.5-inc1",
                {"translate_const": int(side * 0.3), "img_mean": grey},
            )
        )
    change = Compose(changes)

    class Varied(Transform):  # type: ignore[misc]
        """Training photos only."""

        split_idx = 0

        def encodes(self, image: PILImage) -> Any:
            return PILImage.create(np.asarray(change(image)))

    return Varied()
