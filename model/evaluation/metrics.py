"""Accuracy with intervals, per-label scores and calibration error."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..bundle import Metric

Z95 = 1.959963984540054
RESAMPLES = 1000


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """Return the 95% interval of a proportion, low and high; (0, 1) for a count of 0.

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical
    Inference, 1927.
    """
    if count == 0:
        return 0.0, 1.0
    share, square = right / count, Z95**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    spread = math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    half = Z95 * spread / (1 + square / count)
    # Without the clipping, rounding would leave the proportion itself outside at 0 and 1.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def proportion_metric(name: str, right: int, photos: int, on: str, by: str) -> Metric:
    """Return the manifest's metric for ``right`` of ``photos``, with its 95% interval."""
    value, (low, high) = right / photos, wilson_interval(right, photos)
    figures = {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}
    return Metric.model_validate({"name": name, **figures, "photos": photos, "on": on, "by": by})


def expected_calibration_error(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 15
) -> float:
    """Return the mean gap between confidence and accuracy over equal-width bins, 0 to 1.

    Args:
        confidence: float64 [N], the probability of each answer.
        right: bool [N], whether each answer is correct.
        bins: number of bins.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017.
    """
    if not len(confidence):
        return 0.0
    places = np.clip((confidence * bins).astype(int), 0, bins - 1)
    gaps = [
        abs(confidence[places == place].mean() - right[places == place].mean())
        * np.mean(places == place)
        for place in np.unique(places)
    ]
    return float(sum(gaps))


def calibration_error_metric(
    name: str, confidence: NDArray[np.float64], right: NDArray[np.bool_], on: str, by: str
) -> Metric:
    """Return the manifest's metric for a calibration error, with its 95% bootstrap interval.

    Small samples have a larger calibration error than the model, so the figure may be close to
    the interval's lower limit.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993 (percentiles).
    """
    value = expected_calibration_error(confidence, right)
    random = np.random.default_rng(0)
    errors = []
    for _ in range(RESAMPLES):
        places = random.integers(len(confidence), size=len(confidence))
        errors.append(expected_calibration_error(confidence[places], right[places]))
    low, high = np.quantile(errors, (0.025, 0.975))
    return Metric.model_validate(
        {
            "name": name,
            "value": round(value, 4),
            "low": round(min(value, float(low)), 4),
            "high": round(max(value, float(high)), 4),
            "photos": len(confidence),
            "on": on,
            "by": by,
        }
    )


@dataclass(frozen=True, slots=True)
class Proportion:
    """``right`` of ``count``: ``value`` with its 95% interval, all 0 to 1."""

    value: float
    low: float
    high: float
    right: int
    count: int

    @classmethod
    def of(cls, right: int, count: int) -> "Proportion":
        """Return the proportion with Wilson's interval; ``count`` is at least 1."""
        return cls(right / count, *wilson_interval(right, count), right, count)


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label: ``support`` photos show it, ``predicted`` photos were given it.

    ``recall`` is None if no photo shows it, ``precision`` if no photo was given it, ``f1``
    if both are None. Precision depends on how many photos of the other labels there
    are; recall does not.
    """

    label: str
    support: int
    predicted: int
    right: int
    recall: Proportion | None
    precision: float | None
    f1: float | None

    @classmethod
    def of(cls, label: str, support: int, predicted: int, right: int) -> "LabelScore":
        """Return the scores for these counts."""
        return cls(
            label,
            support,
            predicted,
            right,
            recall=Proportion.of(right, support) if support else None,
            precision=right / predicted if predicted else None,
            f1=2 * right / (support + predicted) if support + predicted else None,
        )
