"""Thresholds applied to probabilities: prediction set, in or out of distribution, certainty."""

import math
from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ..bundle import Calibration
from .prediction import Prediction, ranking
from .words import WORDS, CertaintyRule, Range


class Certainty(StrEnum):
    """Degree of certainty that the headline may express."""

    LIKELY = "likely"
    PROBABLE = "probable"
    FEW = "few"
    HARD = "hard"
    UNKNOWN = "unknown"
    GUESS = "guess"
    SEVERAL = "several"
    NOTHING = "nothing"


def is_in_distribution(ood_score: float | None, calibration: Calibration | None) -> bool | None:
    """Return whether the OOD score is within the threshold; None if the bundle has none."""
    if ood_score is None or calibration is None or calibration.ood_threshold is None:
        return None
    return ood_score <= calibration.ood_threshold


def prediction_set(
    probabilities: NDArray[np.float32], calibration: Calibration | None
) -> tuple[int, ...] | None:
    """Return the indices of the labels that reach their threshold, best first.

    The top label is always included, and so is every label likelier than another one in the
    set. Returns None without calibration.

    Args:
        probabilities: float32 [labels], calibrated.
        calibration: the bundle's.

    Source: label-conditional split-conformal sets (Sadinle, Lei, Wasserman: Least
    Ambiguous Set-Valued Classifiers With Bounded Error Levels, 2019).
    """
    if calibration is None or calibration.prediction_set is None:
        return None
    order = ranking(probabilities)
    thresholds = np.array(calibration.prediction_set.label_thresholds)
    included = probabilities[order] >= thresholds[order]
    included[0] = True
    return tuple(int(index) for index in order[: np.flatnonzero(included)[-1] + 1])


def certainty(prediction: Prediction) -> Certainty:
    """Return how certain the headline for a prediction may sound."""
    return Certainty(certainty_rule(prediction)["certainty"])


def certainty_rule(prediction: Prediction) -> CertaintyRule:
    """Return the first rule of ``words.json`` that a prediction fits."""
    candidates = prediction.prediction_set if prediction.calibrated else None
    facts = {
        "known": prediction.in_distribution,
        "multilabel": prediction.multilabel,
        "labels": len(prediction.labels),
        "present": len(prediction.answer or ()) if prediction.multilabel else 0,
        "plausible": len(candidates or ()),
        "estimated": prediction.estimated,
        "probability": prediction.top(1)[0].probability,
    }
    return next(
        rule
        for rule in WORDS["certainties"]
        if all(_fits(facts[name], wanted) for name, wanted in rule["when"].items())
    )


def _fits(value: float | None, wanted: float | Range) -> bool:
    if isinstance(wanted, dict):
        return value is not None and (
            wanted.get("min", -math.inf) <= value <= wanted.get("max", math.inf)
        )
    return value == wanted


def apply_thresholds(
    prediction: Prediction, ood_score: float | None, calibration: Calibration | None
) -> Prediction:
    """Return the prediction with the OOD score, the ID decision and the prediction set."""
    indices = prediction_set(prediction.probabilities, calibration)
    return replace(
        prediction,
        ood_score=ood_score if calibration is not None else None,
        in_distribution=is_in_distribution(ood_score, calibration),
        prediction_set=(
            None if indices is None else tuple(prediction.candidate(index) for index in indices)
        ),
    )
