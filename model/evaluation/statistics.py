"""Intervals and calibration error."""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["expected_calibration_error", "wilson_interval"]

Z95 = 1.959963984540054


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share, low and high; (0, 1) for nothing counted.

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical
    Inference, 1927.
    """
    if count == 0:
        return 0.0, 1.0
    share, square = right / count, Z95**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    spread = math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    half = Z95 * spread / (1 + square / count)
    # Rounding must not leave the share itself outside, as at 0 and 1.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def expected_calibration_error(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 15
) -> float:
    """Mean gap between confidence and accuracy over equal-width bins, 0 to 1.

    Args:
        confidence: float64 [N], the probability of each answer.
        right: bool [N].

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
