"""Fit temperature, label thresholds and OOD detectors to held-out photos."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..browser.small_graph import round_matrix
from ..bundle import Calibration, PredictionSetRule
from .graph_outputs import Floats, GraphOutputs
from .ood_detectors import DEFAULT_DETECTOR, DETECTORS, Detector, FitDetector
from .statistics import (
    auroc,
    fit_label_thresholds,
    fit_ood_threshold,
    fit_temperature,
    probabilities,
)

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
        reference: as in ``calibrate``.
        small: the small graph's outputs for the same photos.
        coverage: as in ``calibrate``.
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
    threshold = fit_ood_threshold(scores, TARGET_ID_ACCEPT_RATE)
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
        seed: of the shuffle.
        count: number of folds.
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
