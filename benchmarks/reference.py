"""The measured model, and the same model as a fastai learner for comparison."""

from pathlib import Path
from typing import Any

from PIL import Image

import model
from model import Classifier
from model.bundle import Manifest

from .paths import BUILD, MODEL
from .registry import NotMeasured

__all__ = ["classifier", "export", "learner", "predict"]

FOLDER = BUILD / "peers"


def classifier() -> Classifier:
    """Return the measured model on the compiled engine, regardless of the settings."""
    return model.load(MODEL, "compiled")


def learner() -> Any:
    """Return the bundle's learner: its weights, and its preprocessing in fastai's transforms.

    Its loss is fastai's own, because ``learn.predict`` uses the loss to turn logits into
    probabilities and a label.

    Raises:
        NotMeasured: fastai is not installed.
    """
    try:
        from fastai.losses import CrossEntropyLossFlat

        from model.learner.rebuild import rebuild
    except ImportError as error:
        raise NotMeasured(f"the learner's packages are not installed: {error}") from error
    learn = rebuild(classifier().bundle)
    learn.loss_func = CrossEntropyLossFlat()
    learn.dls = _loaders(classifier().bundle.manifest)
    return learn


def predict(learn: Any, photo: bytes) -> tuple[str, Any]:
    """Return fastai's prediction for a JPEG: the label and all probabilities."""
    from fastai.vision.all import PILImage

    label, _, probabilities = learn.predict(PILImage.create(photo))
    return str(label), probabilities.numpy()


def export() -> Path:
    """Write the learner as ``export.pkl``, which the peers load, and return its folder."""
    learn = learner()
    learn.path = FOLDER
    learn.export("export.pkl")
    return FOLDER


def _loaders(manifest: Manifest) -> Any:
    """Return data loaders with picklable parts, over two blank images."""
    from fastai.vision.all import CategoryBlock, ColReader, DataBlock, ImageBlock, Normalize

    from model.learner.rebuild import item_transforms

    transforms = item_transforms(manifest.recipe)
    for place, transform in enumerate(transforms):
        # fastai sorts transforms by this; by default it would crop before resizing.
        transform.order = place
    mean, std = manifest.architecture.mean, manifest.architecture.std
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock(vocab=list(manifest.labels), sort=False)),
        get_x=ColReader(0),
        get_y=ColReader(1),
        splitter=lambda items: ([0], [1]),
        item_tfms=transforms,
        batch_tfms=[Normalize.from_stats(mean, std, cuda=False)],
    )
    return block.dataloaders(_rows(manifest.labels), bs=1, num_workers=0)


def _rows(labels: tuple[str, ...]) -> Any:
    """Return two rows, the fewest that make a training and a validation set."""
    import pandas as pd

    FOLDER.mkdir(parents=True, exist_ok=True)
    blank = FOLDER / "blank.png"
    Image.new("RGB", (64, 64)).save(blank)
    return pd.DataFrame({"photo": [str(blank)] * 2, "label": [labels[0], labels[-1]]})
