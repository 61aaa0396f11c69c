"""What probabilities mean: the plausible set, known or unknown, the words' degree."""

from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from .bundle.manifest import Calibration
from .prediction import Prediction, ranking

__all__ = ["Certainty", "apply_thresholds", "certainty", "is_in_distribution", "prediction_set"]

SURE = 0.9


class Certainty(StrEnum):
    """How sure the words may sound."""

    LIKELY = "likely"
    PROBABLE = "probable"
    FEW = "few"
    HARD = "hard"
    UNKNOWN = "unknown"
    GUESS = "guess"
    SEVERAL = "several"
    NOTHING = "nothing"


def is_in_distribution(novelty: float | None, confidence: Calibration | None) -> bool | None:
    """Whether a photo is of a kind that the model knows; None where it cannot tell."""
    if novelty is None or confidence is None or confidence.novelty is None:
        return None
    return novelty <= confidence.novelty


def prediction_set(
    probabilities: NDArray[np.float32], confidence: Calibration | None
) -> tuple[int, ...] | None:
    """Indices of the labels whose probability reaches their floor, best first.

    The first label is always among them, and so is every one that is likelier than
    another among them.

    Args:
        probabilities: float32 [labels], calibrated.

    Source: label-conditional split-conformal sets (Sadinle, Lei, Wasserman: Least
    Ambiguous Set-Valued Classifiers With Bounded Error Levels, 2019).
    """
    if confidence is None or confidence.plausible is None:
        return None
    order = ranking(probabilities)
    floors = np.array(confidence.plausible.floors)
    reached = probabilities[order] >= floors[order]
    reached[0] = True
    return tuple(int(index) for index in order[: np.flatnonzero(reached)[-1] + 1])


def certainty(prediction: Prediction) -> Certainty:
    """The degree of certainty that the words must express."""
    if prediction.known is False:
        return Certainty.UNKNOWN
    if prediction.multilabel:
        return Certainty.SEVERAL if prediction.answer else Certainty.NOTHING
    if not prediction.calibrated or prediction.plausible is None:
        return Certainty.GUESS
    if len(prediction.plausible) == 1:
        sure = prediction.plausible[0].probability >= SURE
        return Certainty.LIKELY if sure else Certainty.PROBABLE
    return Certainty.FEW if len(prediction.plausible) <= 3 else Certainty.HARD


def apply_thresholds(
    prediction: Prediction, novelty: float | None, confidence: Calibration | None
) -> Prediction:
    """The prediction with what calibration has to say of it."""
    found = prediction_set(prediction.probabilities, confidence)
    return replace(
        prediction,
        novelty=novelty if confidence is not None else None,
        known=is_in_distribution(novelty, confidence),
        plausible=None if found is None else tuple(prediction.candidate(i) for i in found),
    )
