"""Fit a calibration to held-out photos and measure it by cross-validation."""

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..bundle import (
    Calibration,
    DetectorResult,
    Mistake,
    OodResult,
    PredictionSetRule,
    ReliabilityBin,
)
from ..errors import DataError
from ..evaluation.metrics import expected_calibration_error
from .card_rows import detector_result, ood_result, reliability_bins, worst_mistakes
from .graph_outputs import Floats, GraphOutputs
from .ood_detectors import (
    DEFAULT_DETECTOR,
    DETECTORS,
    MAX_DETECTOR_BYTES,
    Detector,
    FitDetector,
    FoldResult,
    evaluate_detector,
)
from .statistics import (
    auroc,
    contains_label,
    fit_label_thresholds,
    fit_ood_threshold,
    fit_temperature,
    probabilities,
)

__all__ = ["MIN_PHOTOS", "TARGET_COVERAGE", "CalibrationResult", "calibrate"]

TARGET_COVERAGE = 0.9
TARGET_ID_ACCEPT_RATE = 0.95
FOLDS, INNER_FOLDS = 5, 3
MIN_PHOTOS = 50
"""Fewest held-out photos that a calibration can be fitted to."""

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class CalibrationResult:
    """A calibration and its figures, all by cross-validation.

    ``correct``, ``covered`` and ``id_accepted`` count photos; ``ece`` and
    ``ece_uncalibrated`` are expected calibration errors; ``confusion`` holds (true label,
    predicted label, photos).
    """

    calibration: Calibration
    detector: Detector
    folds: int
    photos: int
    correct: int
    covered: int
    id_accepted: int
    ece: float
    ece_uncalibrated: float
    confusion: tuple[tuple[int, int, int], ...]
    reliability: tuple[ReliabilityBin, ...]
    reliability_uncalibrated: tuple[ReliabilityBin, ...]
    mistakes: tuple[Mistake, ...]
    detectors: tuple[DetectorResult, ...]
    ood_sets: tuple[OodResult, ...]


def calibrate(
    held_out: GraphOutputs,
    reference: GraphOutputs | None = None,
    ood_sets: Mapping[str, GraphOutputs] | None = None,
    *,
    coverage: float = TARGET_COVERAGE,
    id_accept_rate: float = TARGET_ID_ACCEPT_RATE,
    seed: int = 0,
) -> CalibrationResult:
    """Fit temperature, label thresholds and OOD detector to held-out photos, and measure them.

    Everything, including the choice of detector, is fitted five times on four fifths of the
    photos and measured on the other fifth. The returned calibration is fitted on all photos.

    Args:
        held_out: held-out photos with their labels.
        reference: photos that the model was trained on; by default the held-out ones.
        ood_sets: photos of none of the labels, by the name of their set.
        coverage: target share of photos whose prediction set holds the true label.
        id_accept_rate: target share of ID photos that get a label.
        seed: for the folds.

    Raises:
        DataError: there are fewer than fifty photos.
    """
    if len(held_out) < MIN_PHOTOS:
        raise DataError(
            f"{len(held_out)} photos aren't enough to calibrate: use at least {MIN_PHOTOS}, "
            "better 300."
        )
    ood_sets = {name: outputs for name, outputs in (ood_sets or {}).items() if len(outputs)}
    folds = list(_folds(held_out.targets, seed))
    cross_validation = _CrossValidation(held_out)
    for number, (inside, outside) in enumerate(folds):
        pairs = {
            name: _split_ood(outputs, number, len(folds)) for name, outputs in ood_sets.items()
        }
        fit = _fit(
            held_out.subset(inside),
            reference,
            {name: choosing for name, (choosing, _) in pairs.items()},
            coverage,
            id_accept_rate,
        )
        cross_validation.add(
            fit, outside, {name: measuring for name, (_, measuring) in pairs.items()}
        )
    final = _fit(held_out, reference, ood_sets, coverage, id_accept_rate)
    return cross_validation.result(final, coverage, len(folds))


def _folds(targets: Indices, seed: int, count: int = FOLDS) -> Iterator[tuple[Indices, Indices]]:
    """Yield, for each fold, the indices to fit on and the indices to measure on."""
    from sklearn.model_selection import KFold, StratifiedKFold

    # Stratifying needs at least one label with as many photos as there are folds.
    splitter = StratifiedKFold if np.max(np.bincount(targets)) >= count else KFold
    with warnings.catch_warnings():
        # scikit-learn warns about labels with fewer photos than folds.
        warnings.simplefilter("ignore", UserWarning)
        yield from splitter(count, shuffle=True, random_state=seed).split(targets, targets)


def _split_ood(outputs: GraphOutputs, fold: int, folds: int) -> tuple[GraphOutputs, GraphOutputs]:
    """Split OOD photos into those that choose the detector and those measured in this fold."""
    places = np.random.default_rng(0).permutation(len(outputs))
    in_fold = np.arange(len(outputs)) % folds == fold
    return outputs.subset(places[~in_fold]), outputs.subset(places[in_fold])


@dataclass(frozen=True)
class _FittedDetector:
    """A detector, out-of-fold OOD scores of the photos it was fitted with, and its threshold."""

    detector: Detector
    id_scores: Floats
    threshold: float


@dataclass(frozen=True)
class _Fit:
    """Everything that is fitted to one set of held-out photos."""

    temperature: float
    label_thresholds: NDArray[np.float64]
    detectors: list[_FittedDetector]
    best: _FittedDetector


def _fit(
    held_out: GraphOutputs,
    reference: GraphOutputs | None,
    ood_sets: Mapping[str, GraphOutputs],
    coverage: float,
    id_accept_rate: float,
) -> _Fit:
    temperature = fit_temperature(held_out.logits, held_out.targets)
    calibrated = probabilities(held_out.logits, temperature)
    detectors = [
        _fit_detector(fit_detector, held_out, reference, id_accept_rate)
        for fit_detector in DETECTORS
    ]
    return _Fit(
        temperature=temperature,
        label_thresholds=fit_label_thresholds(calibrated, held_out.targets, coverage),
        detectors=detectors,
        best=_best_detector(detectors, ood_sets),
    )


def _fit_detector(
    fit_detector: FitDetector,
    held_out: GraphOutputs,
    reference: GraphOutputs | None,
    id_accept_rate: float,
) -> _FittedDetector:
    """Fit a detector and return out-of-fold scores for ``held_out``.

    A photo scores lower against itself than any new photo would, which would set the
    threshold too low.
    """
    if reference is not None:
        detector = fit_detector(reference, held_out)
        scores = detector(held_out)
    else:
        detector = fit_detector(held_out, held_out)
        scores = np.zeros(len(held_out), np.float32)
        for inside, outside in _folds(held_out.targets, 0, INNER_FOLDS):
            fold = held_out.subset(inside)
            scores[outside] = fit_detector(fold, fold)(held_out.subset(outside))
    return _FittedDetector(detector, scores, fit_ood_threshold(scores, id_accept_rate))


def _best_detector(
    detectors: list[_FittedDetector], ood_sets: Mapping[str, GraphOutputs]
) -> _FittedDetector:
    """Return the small enough detector with the highest mean AUROC over the OOD sets."""
    if not ood_sets:
        return detectors[DETECTORS.index(DEFAULT_DETECTOR)]

    def mean_auroc(fitted: _FittedDetector) -> float:
        return float(
            np.mean([auroc(fitted.id_scores, fitted.detector(ood)) for ood in ood_sets.values()])
        )

    small = [fitted for fitted in detectors if fitted.detector.size_bytes <= MAX_DETECTOR_BYTES]
    return max(small, key=mean_auroc)


class _CrossValidation:
    """Results of each fold's calibration on the photos that it was not fitted to."""

    def __init__(self, held_out: GraphOutputs) -> None:
        self.held_out = held_out
        self.calibrated = np.zeros(held_out.logits.shape)
        self.covered = np.zeros(len(held_out), bool)
        self.id_accepted = np.zeros(len(held_out), bool)
        self.chosen: defaultdict[str, list[FoldResult]] = defaultdict(list)
        # Results of the folds, by the detector's name and the OOD set's name.
        self.compared: defaultdict[str, defaultdict[str, list[FoldResult]]] = defaultdict(
            lambda: defaultdict(list)
        )

    def add(self, fit: _Fit, outside: Indices, ood_sets: Mapping[str, GraphOutputs]) -> None:
        """Measure one fold's calibration on the photos that it was not fitted to."""
        held_out = self.held_out.subset(outside)
        calibrated = probabilities(held_out.logits, fit.temperature)
        self.calibrated[outside] = calibrated
        self.covered[outside] = contains_label(calibrated, held_out.targets, fit.label_thresholds)
        self.id_accepted[outside] = fit.best.detector(held_out) <= fit.best.threshold
        for name, ood in ood_sets.items():
            for fitted in fit.detectors:
                fold = evaluate_detector(fitted.detector, held_out, ood, fitted.threshold)
                self.compared[fitted.detector.name][name].append(fold)
                if fitted is fit.best:
                    self.chosen[name].append(fold)

    def result(self, final: _Fit, coverage: float, folds: int) -> CalibrationResult:
        """Return the folds' figures with the calibration that is fitted to all photos."""
        held_out = self.held_out
        predicted = held_out.logits.argmax(axis=1)
        correct = predicted == held_out.targets
        confidence = self.calibrated[np.arange(len(held_out)), predicted]
        uncalibrated = probabilities(held_out.logits, 1.0).max(axis=1)
        pairs = Counter(zip(held_out.targets.tolist(), predicted.tolist(), strict=True))
        return CalibrationResult(
            calibration=_calibration(final, coverage),
            detector=final.best.detector,
            folds=folds,
            photos=len(held_out),
            correct=int(correct.sum()),
            covered=int(self.covered.sum()),
            id_accepted=int(self.id_accepted.sum()),
            ece=expected_calibration_error(confidence, correct),
            ece_uncalibrated=expected_calibration_error(uncalibrated, correct),
            confusion=tuple((*pair, count) for pair, count in pairs.most_common()),
            reliability=reliability_bins(confidence, correct),
            reliability_uncalibrated=reliability_bins(uncalibrated, correct),
            mistakes=worst_mistakes(held_out, predicted, confidence),
            detectors=tuple(
                detector_result(
                    fitted.detector,
                    self.compared[fitted.detector.name],
                    selected=fitted is final.best,
                )
                for fitted in (final.detectors if self.chosen else ())
            ),
            ood_sets=tuple(ood_result(name, results) for name, results in self.chosen.items()),
        )


def _calibration(fit: _Fit, coverage: float) -> Calibration:
    return Calibration(
        temperature=round(fit.temperature, 4),
        prediction_set=PredictionSetRule(
            coverage=coverage,
            label_thresholds=tuple(
                round(float(threshold), 6) for threshold in fit.label_thresholds
            ),
        ),
        ood_threshold=round(fit.best.threshold, 6),
        ood_detector=fit.best.detector.name,
    )
