"""Results of a batch and a clock, made up for tests."""

from dataclasses import replace
from typing import Any

import numpy as np

from model.answer.prediction import Prediction
from model.evaluation import PhotoFailure
from ui.batch.jobs import PhotoResult

LABELS = ("shirt", "hat", "shoes")


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


def make_prediction(
    index: int = 0, probability: float = 0.9, labels: tuple[str, ...] = LABELS, **fields: Any
) -> Prediction:
    """Return a prediction of the label at ``index``; the others share what is left."""
    rest = (1 - probability) / (len(labels) - 1)
    probabilities = np.full(len(labels), rest, np.float32)
    probabilities[index] = probability
    plain = Prediction("clothing", "0123456789ab", "compiled", labels, probabilities, None)
    return replace(plain, **fields)


def make_result(
    index: int = 0, name: str = "a.jpg", folder: str | None = None, **fields: Any
) -> PhotoResult:
    """Return the result of a photo that was identified."""
    return PhotoResult(name, folder, make_prediction(index, **fields), thumbnail=b"jpeg")


def make_failure(name: str = "bad.jpg", folder: str | None = None) -> PhotoResult:
    """Return the result of a photo that couldn't be read."""
    return PhotoResult(name, folder, failure=PhotoFailure(name, "damaged", "It is incomplete."))
