"""The numbers of a calibration: temperature, set size, threshold, AUROC."""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["auroc", "floors", "probabilities", "temperature", "threshold"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
COLDEST, HOTTEST = 0.05, 20.0
SPREAD = 0.5
"""Standard deviation, in natural logarithms, of temperatures before any photo is seen."""


def probabilities(logits: Floats, temperature: float) -> Doubles:
    """Softmax of logits [N, labels] at a temperature, float64."""
    calm = logits.astype(np.float64) / temperature
    calm -= calm.max(axis=1, keepdims=True)
    shares = np.exp(calm)
    result: Doubles = shares / shares.sum(axis=1, keepdims=True)
    return result


def temperature(logits: Floats, targets: NDArray[np.intp]) -> float:
    """The temperature at which the true labels are most likely.

    A temperature far from one needs evidence: without that, a few dozen photos that
    are all answered rightly would make every answer certain.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017; the evidence
    is asked for by a log-normal prior around one (maximum a posteriori).
    """
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(targets))

    def surprise(logarithm: float) -> float:
        shares = probabilities(logits, math.exp(logarithm))[rows, targets]
        prior = (logarithm / SPREAD) ** 2 / 2
        return float(-np.log(np.maximum(shares, 1e-12)).sum() + prior)

    bounds = math.log(COLDEST), math.log(HOTTEST)
    return float(math.exp(minimize_scalar(surprise, bounds=bounds, method="bounded").x))


def floors(shares: Doubles, targets: NDArray[np.intp], coverage: float) -> Doubles:
    """For each label the probability from which on it is plausible, float64 [labels].

    Of the photos of each label, ``coverage`` reach its floor, so that a label that
    is hard to tell is not paid for by the easy ones. Labels with too few photos to
    say so share one floor.

    Args:
        shares: calibrated probabilities, float64 [N, labels].
        targets: true labels [N].
        coverage: share of photos whose set is to hold the true label.

    Source: label-conditional split-conformal sets (Sadinle, Lei, Wasserman: Least
    Ambiguous Set-Valued Classifiers With Bounded Error Levels, 2019).
    """
    true = shares[np.arange(len(targets)), targets]
    found = np.full(shares.shape[1], 1 - _quantile(1 - true, coverage))
    # Rounded, since 1 - 0.9 is a little less than 0.1.
    enough = math.ceil(round(1 / (1 - coverage), 6)) - 1
    for label in np.unique(targets):
        own = true[targets == label]
        if len(own) >= enough:
            found[label] = 1 - _quantile(1 - own, coverage)
    clipped: Doubles = np.clip(found, 0.0, 1.0)
    return clipped


def threshold(novelty: Floats, keep: float) -> float:
    """The novelty that ``keep`` of the known photos do not exceed."""
    return _quantile(novelty.astype(np.float64), keep)


def _quantile(values: Doubles, share: float) -> float:
    """The split-conformal quantile: of n values the ceil((n + 1) · share)-th, at most the last."""
    place = min(len(values), math.ceil((len(values) + 1) * share)) - 1
    return float(np.sort(values)[place])


def auroc(known: Floats, strangers: Floats) -> float:
    """The chance that a stranger's novelty is above a known photo's; equals count half.

    Source: the Mann-Whitney statistic.
    """
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([known, strangers]))[len(known) :]
    pairs = len(known) * len(strangers)
    return float((ranks.sum() - len(strangers) * (len(strangers) + 1) / 2) / pairs)
