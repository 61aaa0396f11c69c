"""What probabilities mean: the plausible set, known or unknown, the words' degree."""

from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from .manifest import Confidence
from .prediction import Prediction, ranking

__all__ = ["Degree", "degree", "judge", "known", "plausible"]

SURE = 0.9


class Degree(StrEnum):
    """How sure the words may sound."""

    LIKELY = "likely"
    PROBABLE = "probable"
    FEW = "few"
    HARD = "hard"
    UNKNOWN = "unknown"
    GUESS = "guess"
    SEVERAL = "several"
    NOTHING = "nothing"


def known(novelty: float | None, confidence: Confidence | None) -> bool | None:
    """Whether a photo is of a kind that the model knows; None where it cannot tell."""
    if novelty is None or confidence is None or confidence.novelty is None:
        return None
    return novelty <= confidence.novelty


def plausible(
    probabilities: NDArray[np.float32], confidence: Confidence | None
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


def degree(prediction: Prediction) -> Degree:
    """The degree of certainty that the words must express."""
    if prediction.known is False:
        return Degree.UNKNOWN
    if prediction.multilabel:
        return Degree.SEVERAL if prediction.answer else Degree.NOTHING
    if not prediction.calibrated or prediction.plausible is None:
        return Degree.GUESS
    if len(prediction.plausible) == 1:
        sure = prediction.plausible[0].probability >= SURE
        return Degree.LIKELY if sure else Degree.PROBABLE
    return Degree.FEW if len(prediction.plausible) <= 3 else Degree.HARD


def judge(
    prediction: Prediction, novelty: float | None, confidence: Confidence | None
) -> Prediction:
    """The prediction with what calibration has to say of it."""
    found = plausible(prediction.probabilities, confidence)
    return replace(
        prediction,
        novelty=novelty if confidence is not None else None,
        known=known(novelty, confidence),
        plausible=None if found is None else tuple(prediction.candidate(i) for i in found),
    )
