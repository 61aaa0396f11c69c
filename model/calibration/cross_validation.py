"""Measure a calibration by cross-validation: the figures and rows of a model card."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..bundle import (
    MAX_MISTAKES,
    Calibration,
    DetectorResult,
    Metric,
    Mistake,
    ModelCard,
    OodResult,
    ReliabilityBin,
)
from ..errors import DataError
from ..evaluation.metrics import expected_calibration_error, proportion_metric, wilson_interval
from .fit import Fit, Indices, fit_calibration, split_folds
from .graph_outputs import MIN_PHOTOS, GraphOutputs
from .ood_detectors import Detector
from .statistics import auroc, contains_label, probabilities

__all__ = ["MEASURED_BY", "TARGET_COVERAGE", "CalibrationResult", "calibrate"]

MEASURED_BY = "measured by Loupe"
TARGET_COVERAGE = 0.9
RELIABILITY_BINS = 10
MAX_NAME_LENGTH = 300


@dataclass(frozen=True)
class CalibrationResult:
    """A calibration, and its metrics and card, all by cross-validation."""

    calibration: Calibration
    detector: Detector
    metrics: tuple[Metric, ...]
    card: ModelCard


def calibrate(
    held_out: GraphOutputs,
    reference: GraphOutputs | None = None,
    ood_sets: Mapping[str, GraphOutputs] | None = None,
    *,
    coverage: float = TARGET_COVERAGE,
    seed: int | None = None,
    on: str = "held-out photos",
    by: str = MEASURED_BY,
    command: str = "",
    notes: tuple[str, ...] = (),
) -> CalibrationResult:
    """Fit temperature, label thresholds and OOD detector to held-out photos, and measure them.

    Everything, including the choice of detector, is fitted five times on four fifths of the
    photos and measured on the other fifth. The returned calibration is fitted on all photos.

    Args:
        held_out: held-out photos with their labels.
        reference: photos that the model was trained on; by default the held-out ones.
        ood_sets: photos of none of the labels, by the name of their set; at least one per fold.
        coverage: target share of photos whose prediction set holds the true label.
        seed: of the folds and, if one was drawn, of the split.
        on: the held-out photos, in words.
        by: who measured and with which reservation; begins with ``MEASURED_BY``.
        command: the command line that was used, for the card.
        notes: lines for the card.

    Raises:
        DataError: there are fewer than fifty photos.
    """
    if len(held_out) < MIN_PHOTOS:
        raise DataError(
            f"{len(held_out)} photos aren't enough to calibrate: use at least {MIN_PHOTOS}, "
            "better 300."
        )
    ood_sets = ood_sets or {}
    folds = list(split_folds(held_out.targets, seed or 0))
    measured = _Measurements(held_out)
    for number, (inside, outside) in enumerate(folds):
        parts = {
            name: _split_ood(outputs, number, len(folds)) for name, outputs in ood_sets.items()
        }
        choosing = {name: first for name, (first, _) in parts.items()}
        fit = fit_calibration(held_out.subset(inside), reference, choosing, coverage)
        measured.add(fit, outside, {name: second for name, (_, second) in parts.items()})
    final = fit_calibration(held_out, reference, ood_sets, coverage)
    card = ModelCard(
        on=on,
        photos=len(held_out),
        folds=len(folds),
        confusion=measured.confusion(),
        reliability=_reliability_bins(measured.confidence, measured.correct),
        reliability_uncalibrated=_reliability_bins(measured.uncalibrated, measured.correct),
        mistakes=measured.mistakes(),
        detectors=measured.detector_results(final),
        ood_sets=measured.ood_results(),
        command=command,
        seed=seed,
        notes=notes,
    )
    calibration = final.to_calibration(coverage)
    return CalibrationResult(calibration, final.best.detector, measured.metrics(on, by), card)


def _split_ood(outputs: GraphOutputs, fold: int, folds: int) -> tuple[GraphOutputs, GraphOutputs]:
    """Split OOD photos into those that choose the detector and those measured in this fold."""
    places = np.random.default_rng(0).permutation(len(outputs))
    in_fold = np.arange(len(outputs)) % folds == fold
    return outputs.subset(places[~in_fold]), outputs.subset(places[in_fold])


class _OodFold(NamedTuple):
    """A detector on one fold of one OOD set: AUROC, and ``accepted`` of its ``photos``."""

    auroc: float
    accepted: int
    photos: int


class _Measurements:
    """Results of each fold's calibration on the photos that it was not fitted to."""

    def __init__(self, held_out: GraphOutputs) -> None:
        self.held_out = held_out
        self.predicted = held_out.logits.argmax(axis=1)
        self.correct = self.predicted == held_out.targets
        self.uncalibrated = probabilities(held_out.logits, 1.0).max(axis=1)
        self.confidence = np.zeros(len(held_out))
        self.covered = np.zeros(len(held_out), bool)
        self.id_accepted = np.zeros(len(held_out), bool)
        # Results of the folds, by the OOD set's name and, among all detectors, the detector's.
        self.chosen: defaultdict[str, list[_OodFold]] = defaultdict(list)
        self.compared: defaultdict[tuple[str, str], list[_OodFold]] = defaultdict(list)

    def add(self, fit: Fit, outside: Indices, ood_sets: Mapping[str, GraphOutputs]) -> None:
        """Measure one fold's calibration on the photos that it was not fitted to."""
        held_out = self.held_out.subset(outside)
        calibrated = probabilities(held_out.logits, fit.temperature)
        self.confidence[outside] = calibrated.max(axis=1)
        self.covered[outside] = contains_label(calibrated, held_out.targets, fit.label_thresholds)
        self.id_accepted[outside] = fit.best.detector(held_out) <= fit.best.threshold
        for name, ood in ood_sets.items():
            for fitted in fit.detectors:
                scores = fitted.detector(ood)
                area = auroc(fitted.detector(held_out), scores)
                accepted = int((scores <= fitted.threshold).sum())
                result = _OodFold(area, accepted, len(ood))
                self.compared[fitted.detector.name, name].append(result)
                if fitted is fit.best:
                    self.chosen[name].append(result)

    def metrics(self, on: str, by: str) -> tuple[Metric, ...]:
        """Return the manifest's metrics."""
        photos = len(self.held_out)
        counts = {"accuracy": self.correct, "coverage": self.covered, "kept": self.id_accepted}
        errors = {
            "calibration_error": expected_calibration_error(self.confidence, self.correct),
            "calibration_error_before": expected_calibration_error(self.uncalibrated, self.correct),
        }
        return (
            *(
                proportion_metric(name, int(counted.sum()), photos, on, by)
                for name, counted in counts.items()
            ),
            # A calibration error has no simple interval; the card's bins show its parts.
            *(
                Metric.model_validate(
                    dict.fromkeys(("value", "low", "high"), round(error, 4))
                    | {"name": name, "photos": photos, "on": on, "by": by}
                )
                for name, error in errors.items()
            ),
        )

    def confusion(self) -> tuple[tuple[int, int, int], ...]:
        """Return (true label, predicted label, photos), the most frequent pair first."""
        pairs = zip(self.held_out.targets.tolist(), self.predicted.tolist(), strict=True)
        return tuple((*pair, count) for pair, count in Counter(pairs).most_common())

    def mistakes(self) -> tuple[Mistake, ...]:
        """Return the wrong predictions, the most confident first."""
        names, targets = self.held_out.names, self.held_out.targets
        wrong = [place for place in np.argsort(-self.confidence) if not self.correct[place]]
        return tuple(
            Mistake(
                photo=names[place][-MAX_NAME_LENGTH:] if names else f"photo {place}",
                label=int(targets[place]),
                predicted=int(self.predicted[place]),
                probability=round(float(self.confidence[place]), 4),
            )
            for place in wrong[:MAX_MISTAKES]
        )

    def ood_results(self) -> tuple[OodResult, ...]:
        """Return the rows of the OOD sets, with all folds pooled."""
        rows = []
        for name, folds in self.chosen.items():
            pooled = _pool(folds)
            low, high = wilson_interval(pooled.accepted, pooled.photos)
            rows.append(
                OodResult(
                    name=name,
                    photos=pooled.photos,
                    auroc=round(pooled.auroc, 4),
                    ood_accept_rate=round(pooled.accepted / pooled.photos, 4),
                    low=round(low, 4),
                    high=round(high, 4),
                )
            )
        return tuple(rows)

    def detector_results(self, final: Fit) -> tuple[DetectorResult, ...]:
        """Return the rows of the detectors, averaged over the OOD sets; none without a set."""
        rows = []
        for fitted in final.detectors if self.chosen else ():
            detector = fitted.detector
            pooled = [_pool(self.compared[detector.name, name]) for name in self.chosen]
            accept_rates = [result.accepted / result.photos for result in pooled]
            rows.append(
                DetectorResult(
                    name=detector.name,
                    auroc=round(float(np.mean([result.auroc for result in pooled])), 4),
                    ood_accept_rate=round(float(np.mean(accept_rates)), 4),
                    bytes=detector.size_bytes,
                    selected=fitted is final.best,
                )
            )
        return tuple(rows)


def _pool(folds: Sequence[_OodFold]) -> _OodFold:
    photos = [fold.photos for fold in folds]
    area = float(np.average([fold.auroc for fold in folds], weights=photos))
    return _OodFold(area, sum(fold.accepted for fold in folds), sum(photos))


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
