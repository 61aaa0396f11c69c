"""Fit temperature, label thresholds and OOD detectors to held-out photos, and measure them."""

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..browser.small_graph import round_matrix
from ..bundle import Calibration, PredictionSetRule
from ..bundle.manifest import MAX_TEMPERATURE, MIN_TEMPERATURE
from .graph_outputs import Floats, GraphOutputs
from .ood_detectors import DEFAULT_DETECTOR, DETECTORS, Detector, FitDetector

Doubles = NDArray[np.float64]
PRIOR_SPREAD = 0.5
"""Standard deviation of the prior on the temperature's natural logarithm."""

OodSets = Mapping[str, GraphOutputs]
"""Outputs for OOD photos by the name of their set."""


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
    thresholds = np.full(calibrated.shape[1], 1 - conformal_quantile(1 - true, coverage))
    # Rounded, because 1 - 0.9 is slightly less than 0.1 in floating point.
    min_photos = math.ceil(round(1 / (1 - coverage), 6)) - 1
    for label in np.unique(targets):
        of_label = true[targets == label]
        if len(of_label) >= min_photos:
            thresholds[label] = 1 - conformal_quantile(1 - of_label, coverage)
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


def conformal_quantile(values: Floats | Doubles, share: float) -> float:
    """Return the ceil((n + 1) · share)-th of n values, which a share does not exceed, or the last.

    Of OOD scores, it is the threshold that accepts this share of ID photos.
    """
    place = min(len(values), math.ceil((len(values) + 1) * share)) - 1
    return float(np.sort(values)[place])


def auroc(id_scores: Floats, ood_scores: Floats) -> float:
    """Return the chance that an OOD photo scores higher than an ID one; ties count half."""
    from sklearn.metrics import roc_auc_score

    targets = np.repeat([0, 1], [len(id_scores), len(ood_scores)])
    return float(roc_auc_score(targets, np.concatenate([id_scores, ood_scores])))


FOLDS, INNER_FOLDS = 5, 3
TARGET_ID_ACCEPT_RATE = 0.95

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class FittedDetector:
    """A detector, out-of-fold OOD scores of the photos it was fitted with, and its threshold."""

    fit: FitDetector
    detector: Detector
    id_scores: Floats
    threshold: float


@dataclass(frozen=True)
class Fit:
    """Everything that is fitted to one set of held-out photos."""

    temperature: float
    label_thresholds: NDArray[np.float64]
    detectors: list[FittedDetector]
    best: FittedDetector

    def to_calibration(self, coverage: float) -> Calibration:
        """Return the manifest's entry."""
        return Calibration(
            temperature=round(self.temperature, 4),
            prediction_set=PredictionSetRule(
                coverage=coverage,
                label_thresholds=tuple(
                    round(float(threshold), 6) for threshold in self.label_thresholds
                ),
            ),
            ood_threshold=round(self.best.threshold, 6),
            ood_detector=self.best.detector.name,
        )


def fit_calibration(
    held_out: GraphOutputs,
    reference: GraphOutputs | None,
    ood_sets: Mapping[str, GraphOutputs],
    coverage: float,
) -> Fit:
    """Fit all parts of a calibration and select a detector; see ``calibrate`` for arguments."""
    detectors = [
        _fit_detector(fit_detector, held_out, reference, held_out) for fit_detector in DETECTORS
    ]
    return _fit_thresholds(held_out, coverage, detectors, _select_detector(detectors, ood_sets))


def refit_thresholds(
    fit: Fit,
    held_out: GraphOutputs,
    reference: GraphOutputs | None,
    small: GraphOutputs,
    coverage: float,
) -> Fit:
    """Return a fit for the small graph, which has the full one's detector with rounded weights.

    Args:
        fit: fitted to ``held_out``.
        held_out: the full graph's outputs, which the detector is fitted to.
        small: the small graph's outputs for the same photos.
    """

    def fit_rounded(reference: GraphOutputs, held_out: GraphOutputs) -> Detector:
        detector = fit.best.fit(reference, held_out)
        tensors = {name: round_matrix(array) for name, array in detector.tensors.items()}
        return replace(detector, tensors=tensors)

    best = _fit_detector(fit_rounded, held_out, reference, small)
    return _fit_thresholds(small, coverage, [best], best)


def _fit_thresholds(
    held_out: GraphOutputs, coverage: float, detectors: list[FittedDetector], best: FittedDetector
) -> Fit:
    temperature = fit_temperature(held_out.logits, held_out.targets)
    calibrated = probabilities(held_out.logits, temperature)
    thresholds = fit_label_thresholds(calibrated, held_out.targets, coverage)
    return Fit(temperature, thresholds, detectors, best)


def _fit_detector(
    fit_detector: FitDetector,
    held_out: GraphOutputs,
    reference: GraphOutputs | None,
    scored: GraphOutputs,
) -> FittedDetector:
    """Fit a detector and return out-of-fold scores for ``scored``, the same photos.

    A photo scores lower against itself than any new photo would, which would set the
    threshold too low.
    """
    if reference is not None:
        detector = fit_detector(reference, held_out)
        scores = detector(scored)
    else:
        detector = fit_detector(held_out, held_out)
        scores = np.zeros(len(held_out), np.float32)
        folds = split_folds(held_out.targets, held_out.groups, 0, INNER_FOLDS)
        for inside, outside in folds:
            fold = held_out.subset(inside)
            scores[outside] = fit_detector(fold, fold)(scored.subset(outside))
    threshold = conformal_quantile(scores, TARGET_ID_ACCEPT_RATE)
    return FittedDetector(fit_detector, detector, scores, threshold)


def _select_detector(
    detectors: list[FittedDetector], ood_sets: Mapping[str, GraphOutputs]
) -> FittedDetector:
    """Select the detector with the highest mean AUROC over the OOD sets."""
    if not ood_sets:
        return detectors[DETECTORS.index(DEFAULT_DETECTOR)]

    def mean_auroc(fitted: FittedDetector) -> float:
        return float(
            np.mean([auroc(fitted.id_scores, fitted.detector(ood)) for ood in ood_sets.values()])
        )

    return max(detectors, key=mean_auroc)


def split_folds(
    targets: NDArray[Any], groups: Indices | None, seed: int, count: int = FOLDS
) -> Iterator[tuple[Indices, Indices]]:
    """Yield, for each fold, the indices to fit on and the indices to measure on.

    Args:
        targets: labels [N], of which each fold gets its share.
        groups: numbers of the groups [N] that stay in one fold; None if there are none.
    """
    from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

    splitter = StratifiedGroupKFold
    if groups is None:
        # StratifiedKFold refuses if every label has fewer photos than there are folds.
        largest = np.max(np.unique(targets, return_counts=True)[1])
        splitter = StratifiedKFold if largest >= count else KFold
    with warnings.catch_warnings():
        # scikit-learn warns about labels with fewer photos than folds.
        warnings.simplefilter("ignore", UserWarning)
        yield from splitter(count, shuffle=True, random_state=seed).split(targets, targets, groups)


def split_ood(ood_sets: OodSets, fold: int, folds: int) -> tuple[OodSets, OodSets]:
    """Split OOD photos into those that choose the detector and those measured in this fold."""
    choosing, measuring = {}, {}
    for name, outputs in ood_sets.items():
        places = np.random.default_rng(0).permutation(len(outputs))
        in_fold = np.arange(len(outputs)) % folds == fold
        choosing[name] = outputs.subset(places[~in_fold])
        measuring[name] = outputs.subset(places[in_fold])
    return choosing, measuring
