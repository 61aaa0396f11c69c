"""fastai's own export of a bundle: the file that ``learn.export()`` writes, and running it."""

import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..bundle import Bundle
from .rebuild import rebuild


def export_learner(bundle: Bundle, path: Path) -> None:
    """Write a bundle's learner as a file that ``load_learner`` opens without Loupe.

    Raises:
        EngineUnavailable: the installed library does not know the architecture.
        BundleDamaged: the weights do not fit the architecture.
    """
    learner = rebuild(bundle)
    # fastai would print where it keeps the file's folder.
    learner.path = path.parent
    learner.export(path.name)


def predict_with_export(path: Path, images: Iterable[Image.Image]) -> NDArray[np.float32]:
    """Load an export that Loupe wrote, and return fastai's predictions, float32 [N, labels].

    Args:
        path: an export. Loading one runs code in it, so it must not come from elsewhere.
        images: upright RGB photos.
    """
    from fastai.vision.all import PILImage, load_learner

    with warnings.catch_warnings():
        # It warns of any export, and this one has just been written.
        warnings.simplefilter("ignore", UserWarning)
        learner = load_learner(path)
    with learner.no_bar(), learner.no_logging():
        rows = [learner.predict(PILImage.create(np.asarray(image)))[2] for image in images]
    return np.stack([row.numpy() for row in rows])
