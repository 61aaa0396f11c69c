"""fastai data loaders: augmented small copies to train on, exact pixels to validate on."""

import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..preprocess import Pixels
from ..resources import cores
from .backbones import Backbone
from .config import Hyperparameters
from .prepare import PreparedData

BATCH_SIZE = 32
MIN_PHOTOS_FOR_WORKERS = 500
"""Fewest photos for which worker processes prepare the batches."""


def build_loaders(data: PreparedData, backbone: Backbone, hyperparameters: Hyperparameters) -> Any:
    """Return ``DataLoaders`` with augmented training photos and exact held-out ones.

    Args:
        data: the prepared photos.
        backbone: its mean, standard deviation and interpolation are used.
        hyperparameters: strength of the augmentation.
    """
    from fastai.vision.all import CategoryBlock, DataBlock, ImageBlock, Normalize

    labels, count = list(data.split.labels), len(data.copies)
    photos = [*data.copies, *data.held_out]
    targets = [*data.targets, *data.held_out_targets]
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock(vocab=labels, sort=False)),
        get_x=lambda place: _open_photo(photos[place]),
        get_y=lambda place: labels[targets[place]],
        splitter=lambda items: (list(range(count)), list(range(count, len(items)))),
        item_tfms=[_augmentation(data.held_out.shape[1], backbone, hyperparameters)],
        batch_tfms=[Normalize.from_stats(backbone.architecture.mean, backbone.architecture.std)],
    )
    # fastai's blocks hold functions that can't be pickled for processes that aren't forked.
    can_fork = multiprocessing.get_start_method() == "fork"
    use_workers = can_fork and count >= MIN_PHOTOS_FOR_WORKERS
    return block.dataloaders(
        list(range(len(photos))),
        bs=min(BATCH_SIZE, max(2, count // 2)),
        val_bs=BATCH_SIZE,
        num_workers=min(4, max(1, cores() - 1)) if use_workers else 0,
        drop_last=True,
    )


def _open_photo(photo: Path | Pixels) -> Any:
    from fastai.vision.all import PILImage

    if isinstance(photo, Path):
        with Image.open(photo, formats=["JPEG"]) as copy:
            return PILImage.create(np.asarray(copy.convert("RGB")))
    return PILImage.create(photo)


def _augmentation(side: int, backbone: Backbone, hyperparameters: Hyperparameters) -> Any:
    """Return a fastai transform: random crop, horizontal flip and RandAugment.

    Source: timm's own training transforms (Cubuk et al., RandAugment, 2020).
    """
    from fastai.vision.all import PILImage, Transform
    from timm.data.auto_augment import rand_augment_transform
    from timm.data.transforms import RandomResizedCropAndInterpolation
    from torchvision.transforms import Compose, RandomHorizontalFlip

    steps = [
        RandomResizedCropAndInterpolation(  # type: ignore[no-untyped-call]
            side, scale=(hyperparameters.min_scale, 1.0), interpolation=backbone.interpolation
        ),
        RandomHorizontalFlip(),
    ]
    if hyperparameters.magnitude:
        mean = tuple(round(255 * value) for value in backbone.architecture.mean)
        steps.append(
            rand_augment_transform(
                f"rand-m{hyperparameters.magnitude}-mstd0.5-inc1",
                {"translate_const": int(side * 0.3), "img_mean": mean},
            )
        )
    augment = Compose(steps)

    class Augmentation(Transform):  # type: ignore[misc]
        """Augmentation of training photos only."""

        split_idx = 0

        def encodes(self, image: PILImage) -> Any:
            return PILImage.create(np.asarray(augment(image)))

    return Augmentation()
