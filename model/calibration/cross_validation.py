"""Measure a calibration by cross-validation: the figures and rows of a model card."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..bundle import (
    MAX_MISTAKES,
    Calibration,
    DetectorResult,
    Mistake,
    OodResult,
    ReliabilityBin,
)
from ..errors import DataError
from ..evaluation.metrics import expected_calibration_error, wilson_interval
from .fit import Fit, Indices, fit_calibration, split_folds
from .graph_outputs import GraphOutputs
from .ood_detectors import Detector, FoldResult, evaluate_detector
from .statistics import contains_label, probabilities

__all__ = ["MIN_PHOTOS", "TARGET_COVERAGE", "CalibrationResult", "calibrate"]

TARGET_COVERAGE = 0.9
TARGET_ID_ACCEPT_RATE = 0.95
MIN_PHOTOS = 50
"""Fewest held-out photos that a calibration can be fitted to."""

RELIABILITY_BINS = 10
MAX_NAME_LENGTH = 300


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
    folds = list(split_folds(held_out.targets, seed))
    cross_validation = _CrossValidation(held_out)
    for number, (inside, outside) in enumerate(folds):
        pairs = {
            name: _split_ood(outputs, number, len(folds)) for name, outputs in ood_sets.items()
        }
        fit = fit_calibration(
            held_out.subset(inside),
            reference,
            {name: choosing for name, (choosing, _) in pairs.items()},
            coverage,
            id_accept_rate,
        )
        cross_validation.add(
            fit, outside, {name: measuring for name, (_, measuring) in pairs.items()}
        )
    final = fit_calibration(held_out, reference, ood_sets, coverage, id_accept_rate)
    return cross_validation.result(final, coverage, len(folds))


def _split_ood(outputs: GraphOutputs, fold: int, folds: int) -> tuple[GraphOutputs, GraphOutputs]:
    """Split OOD photos into those that choose the detector and those measured in this fold."""
    places = np.random.default_rng(0).permutation(len(outputs))
    in_fold = np.arange(len(outputs)) % folds == fold
    return outputs.subset(places[~in_fold]), outputs.subset(places[in_fold])


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

    def add(self, fit: Fit, outside: Indices, ood_sets: Mapping[str, GraphOutputs]) -> None:
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

    def result(self, final: Fit, coverage: float, folds: int) -> CalibrationResult:
        """Return the folds' figures with the calibration that is fitted to all photos."""
        held_out = self.held_out
        predicted = held_out.logits.argmax(axis=1)
        correct = predicted == held_out.targets
        confidence = self.calibrated[np.arange(len(held_out)), predicted]
        uncalibrated = probabilities(held_out.logits, 1.0).max(axis=1)
        pairs = Counter(zip(held_out.targets.tolist(), predicted.tolist(), strict=True))
        return CalibrationResult(
            calibration=final.to_calibration(coverage),
            detector=final.best.detector,
            folds=folds,
            photos=len(held_out),
            correct=int(correct.sum()),
            covered=int(self.covered.sum()),
            id_accepted=int(self.id_accepted.sum()),
            ece=expected_calibration_error(confidence, correct),
            ece_uncalibrated=expected_calibration_error(uncalibrated, correct),
            confusion=tuple((*pair, count) for pair, count in pairs.most_common()),
            reliability=_reliability_bins(confidence, correct),
            reliability_uncalibrated=_reliability_bins(uncalibrated, correct),
            mistakes=_worst_mistakes(held_out, predicted, confidence),
            detectors=tuple(
                _detector_result(
                    fitted.detector,
                    self.compared[fitted.detector.name],
                    selected=fitted is final.best,
                )
                for fitted in (final.detectors if self.chosen else ())
            ),
            ood_sets=tuple(_ood_result(name, results) for name, results in self.chosen.items()),
        )


def _reliability_bins(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_]
) -> tuple[ReliabilityBin, ...]:
    """Return predictions grouped by their confidence, float64 [N], and how many are correct."""
    places = np.minimum((confidence * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    return tuple(
        ReliabilityBin(
            confidence=round(float(confidence[places == place].mean()), 4),
            accuracy=round(float(correct[places == place].mean()), 4),
            photos=int((places == place).sum()),
        )
        for place in np.unique(places)
    )


def _worst_mistakes(
    outputs: GraphOutputs, predicted: NDArray[np.intp], confidence: NDArray[np.float64]
) -> tuple[Mistake, ...]:
    """Return the wrong predictions, the most confident first."""
    wrong = [
        place for place in np.argsort(-confidence) if predicted[place] != outputs.targets[place]
    ]
    return tuple(
        Mistake(
            photo=outputs.names[place][-MAX_NAME_LENGTH:] if outputs.names else f"photo {place}",
            label=int(outputs.targets[place]),
            predicted=int(predicted[place]),
            probability=round(float(confidence[place]), 4),
        )
        for place in wrong[:MAX_MISTAKES]
    )


def _ood_result(name: str, folds: Sequence[FoldResult]) -> OodResult:
    """Return the row of one OOD set, with all folds pooled."""
    pooled = _pool(folds)
    low, high = wilson_interval(pooled.accepted, pooled.count)
    return OodResult(
        name=name,
        photos=pooled.count,
        auroc=round(pooled.auroc, 4),
        ood_accept_rate=round(pooled.accepted / pooled.count, 4),
        low=round(low, 4),
        high=round(high, 4),
    )


def _detector_result(
    detector: Detector, ood_sets: Mapping[str, Sequence[FoldResult]], *, selected: bool
) -> DetectorResult:
    """Return the row of one detector, averaged over the OOD sets."""
    pooled = [_pool(folds) for folds in ood_sets.values()]
    return DetectorResult(
        name=detector.name,
        auroc=round(float(np.mean([fold.auroc for fold in pooled])), 4),
        ood_accept_rate=round(float(np.mean([fold.accepted / fold.count for fold in pooled])), 4),
        bytes=detector.size_bytes,
        selected=selected,
    )


def _pool(folds: Sequence[FoldResult]) -> FoldResult:
    counts = [fold.count for fold in folds]
    area = float(np.average([fold.auroc for fold in folds], weights=counts))
    return FoldResult(area, sum(fold.accepted for fold in folds), sum(counts))
