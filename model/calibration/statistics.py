"""The numbers of a calibration: temperature, label thresholds, OOD threshold, AUROC."""

import math

import numpy as np
from numpy.typing import NDArray

from ..bundle.manifest import MAX_TEMPERATURE, MIN_TEMPERATURE

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
PRIOR_SPREAD = 0.5
"""Standard deviation of the prior on the temperature's natural logarithm."""


def probabilities(logits: Floats | Doubles, temperature: float) -> Doubles:
    """Return the softmax of logits [N, labels] divided by a temperature, float64."""
    from scipy.special import softmax

    result: Doubles = softmax(logits.astype(np.float64) / temperature, axis=1)
    return result


def fit_temperature(
    logits: Floats | Doubles, targets: NDArray[np.intp], weights: Doubles | None = None
) -> float:
    """Return the temperature with the lowest negative log-likelihood of the true labels.

    ``weights`` [N] are the photos' shares in it, by default 1 each.

    A log-normal prior around one (maximum a posteriori) demands evidence: without it, a few
    dozen photos that are all classified correctly would make every prediction certain.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017.
    """
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(targets))

    def nll(log_temperature: float) -> float:
        true = probabilities(logits, math.exp(log_temperature))[rows, targets]
        prior = (log_temperature / PRIOR_SPREAD) ** 2 / 2
        losses = -np.log(np.maximum(true, 1e-12))
        return float((losses if weights is None else losses * weights).sum() + prior)

    bounds = math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE)
    return float(math.exp(minimize_scalar(nll, bounds=bounds, method="bounded").x))


def fit_label_thresholds(
    calibrated: Doubles, targets: NDArray[np.intp], coverage: float
) -> Doubles:
    """Return the lowest probability that puts each label into the set, float64 [labels].

    A share of ``coverage`` of each label's photos reaches its threshold, so that easy
    labels don't make up for a hard one. Labels with too few photos share one threshold.

    Args:
        calibrated: probabilities, float64 [N, labels].
        targets: true labels [N].
        coverage: target share of photos whose set holds the true label.

    Source: Sadinle, Lei and Wasserman, Least Ambiguous Set-Valued Classifiers With Bounded
    Error Levels, 2019 (class-conditional split conformal sets).
    """
    true = calibrated[np.arange(len(targets)), targets]
    thresholds = np.full(calibrated.shape[1], 1 - _conformal_quantile(1 - true, coverage))
    # Rounded, because 1 - 0.9 is slightly less than 0.1 in floating point.
    min_photos = math.ceil(round(1 / (1 - coverage), 6)) - 1
    for label in np.unique(targets):
        of_label = true[targets == label]
        if len(of_label) >= min_photos:
            thresholds[label] = 1 - _conformal_quantile(1 - of_label, coverage)
    clipped: Doubles = np.clip(thresholds, 0.0, 1.0)
    return clipped


def contains_label(
    calibrated: Doubles, targets: NDArray[np.intp], thresholds: Doubles
) -> NDArray[np.bool_]:
    """Return whether each photo's prediction set holds its true label, bool [N]."""
    rows, in_set = np.arange(len(calibrated)), calibrated >= thresholds
    in_set[rows, calibrated.argmax(axis=1)] = True
    lowest = np.where(in_set, calibrated, np.inf).min(axis=1)
    contained: NDArray[np.bool_] = calibrated[rows, targets] >= lowest
    return contained


def fit_ood_threshold(id_scores: Floats, target_id_accept_rate: float) -> float:
    """Return the OOD score that a share of ``target_id_accept_rate`` does not exceed."""
    return _conformal_quantile(id_scores.astype(np.float64), target_id_accept_rate)


def _conformal_quantile(values: Doubles, share: float) -> float:
    """Return the ceil((n + 1) · share)-th of n values, or the last one."""
    place = min(len(values), math.ceil((len(values) + 1) * share)) - 1
    return float(np.sort(values)[place])


def auroc(id_scores: Floats, ood_scores: Floats) -> float:
    """Return the chance that an OOD photo scores higher than an ID one; ties count half."""
    from sklearn.metrics import roc_auc_score

    targets = np.repeat([0, 1], [len(id_scores), len(ood_scores)])
    return float(roc_auc_score(targets, np.concatenate([id_scores, ood_scores])))
