"""The measured model, and the same model as a fastai learner for comparison."""

from pathlib import Path
from typing import Any

import model
from model import Classifier

from .figure import NotMeasured
from .paths import BUILD, MODEL

EXPORT = BUILD / "peers" / "export.pkl"


def classifier() -> Classifier:
    """Return the measured model on the compiled engine, regardless of the settings."""
    return model.load(MODEL, "compiled")


def learner() -> Any:
    """Return the bundle's learner: its weights, and its preprocessing in fastai's transforms.

    Raises:
        NotMeasured: fastai is not installed.
    """
    try:
        from model.learner.rebuild import rebuild
    except ImportError as error:
        raise NotMeasured(f"the learner's packages are not installed: {error}") from error
    return rebuild(classifier().bundle)


def predict(learn: Any, photo: bytes) -> tuple[str, Any]:
    """Return fastai's prediction for a JPEG: the label and all probabilities."""
    from fastai.vision.all import PILImage

    label, _, probabilities = learn.predict(PILImage.create(photo))
    return str(label), probabilities.numpy()


def export() -> Path:
    """Write the learner as ``export.pkl``, which the peers load, and return its folder.

    Raises:
        NotMeasured: fastai is not installed.
    """
    learn = learner()
    EXPORT.parent.mkdir(parents=True, exist_ok=True)
    learn.path = EXPORT.parent
    learn.export(EXPORT.name)
    return EXPORT.parent
