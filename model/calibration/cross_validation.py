"""Measure a calibration by cross-validation: its folds, pooled into a model card's figures."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..bundle import Calibration, GraphAgreement, Metric, ModelCard, OodResult, ReliabilityBin
from ..bundle.model_card import MAX_MISTAKES, DetectorResult, Mistake
from ..errors import DataError
from ..evaluation.metrics import calibration_error_metric, proportion_metric, wilson_interval
from .fit import (
    Fit,
    Indices,
    OodSets,
    auroc,
    contains_label,
    fit_calibration,
    probabilities,
    refit_thresholds,
    split_folds,
    split_ood,
)
from .graph_outputs import MIN_PHOTOS, CalibrationOutputs, GraphOutputs
from .ood_detectors import Detector

HELD_OUT = "held-out photos"
"""The name of the held-out photos among sets of photos."""

RELIABILITY_BINS = 10
MAX_NAME_LENGTH = 300


class _OodFold(NamedTuple):
    """A detector on N photos of one OOD set: AUROC, top labels [N], and who is accepted [N]."""

    auroc: float
    top_label: Indices
    accepted: NDArray[np.bool_]


class Measurements:
    """Results of each fold's calibration on the photos that it was not fitted to."""

    def __init__(self, held_out: GraphOutputs) -> None:
        self.held_out = held_out
        self.predicted = held_out.predicted
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
                result = _OodFold(area, ood.predicted, scores <= fitted.threshold)
                self.compared[fitted.detector.name, name].append(result)
                if fitted is fit.best:
                    self.chosen[name].append(result)

    def card(self, final: Fit, about: Mapping[str, Any]) -> ModelCard:
        """Return the card; ``about`` are its fields on how it was measured."""
        return ModelCard(
            photos=len(self.held_out),
            confusion=self.confusion(),
            reliability=_reliability_bins(self.confidence, self.correct),
            reliability_uncalibrated=_reliability_bins(self.uncalibrated, self.correct),
            mistakes=self.mistakes(),
            detectors=self.detector_results(final),
            ood_sets=self.ood_results(),
            **about,
        )

    def agreement(self, other: "Measurements", on: str) -> tuple[GraphAgreement, ...]:
        """Return how often another graph gives the same answers, by set of photos."""
        accepted = self.id_accepted == other.id_accepted
        photos = on.partition(",")[0]
        # Older cards say it in fewer words.
        photos = HELD_OUT if photos == "held out" else photos
        rows = [(photos, self.predicted == other.predicted, accepted)]
        for name, folds in self.chosen.items():
            one, two = _pool(folds), _pool(other.chosen[name])
            rows.append((name, one.top_label == two.top_label, one.accepted == two.accepted))
        return tuple(
            GraphAgreement(
                name=name, photos=len(top), top_label=int(top.sum()), known=int(known.sum())
            )
            for name, top, known in rows
        )

    def metrics(self, on: str, by: str) -> tuple[Metric, ...]:
        """Return the small card's metrics."""
        photos = len(self.held_out)
        counts = {
            "accuracy": self.correct,
            "coverage": self.covered,
            "kept": self.id_accepted,
            "shown": self.correct & self.id_accepted,
        }
        confidences = {
            "calibration_error": self.confidence,
            "calibration_error_before": self.uncalibrated,
        }
        return (
            *(
                proportion_metric(name, int(counted.sum()), photos, on, by)
                for name, counted in counts.items()
            ),
            *(
                calibration_error_metric(name, confidence, self.correct, on, by)
                for name, confidence in confidences.items()
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
            accepted, photos = int(pooled.accepted.sum()), len(pooled.accepted)
            low, high = wilson_interval(accepted, photos)
            rows.append(
                OodResult(
                    name=name,
                    photos=photos,
                    auroc=round(pooled.auroc, 4),
                    ood_accept_rate=round(accepted / photos, 4),
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
            accept_rates = [result.accepted.mean() for result in pooled]
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


def accuracy_metric(outputs: GraphOutputs, on: str, by: str) -> Metric:
    """Return the accuracy on labelled photos; ``on`` names them, ``by`` says who measured."""
    correct = int((outputs.predicted == outputs.targets).sum())
    return proportion_metric("accuracy", correct, len(outputs), on, by)


def _pool(folds: Sequence[_OodFold]) -> _OodFold:
    areas, top_labels, accepted = zip(*folds, strict=True)
    area = float(np.average(areas, weights=[len(fold) for fold in accepted]))
    return _OodFold(area, np.concatenate(top_labels), np.concatenate(accepted))


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


MEASURED_BY = "measured by Loupe"
TARGET_COVERAGE = 0.9


@dataclass(frozen=True)
class SmallResult:
    """The small graph's calibration, metrics and card, and how often it answers as the full one."""

    calibration: Calibration
    metrics: tuple[Metric, ...]
    card: ModelCard
    agreement: tuple[GraphAgreement, ...]


@dataclass(frozen=True)
class CalibrationResult:
    """A calibration, and its metrics and card, all by cross-validation.

    ``small`` is the result for the small graph, None if its outputs were not given. ``outputs`` are
    those of the N held-out photos; ``accepted``, bool [N], is False for "none of these".
    """

    calibration: Calibration
    detector: Detector
    metrics: tuple[Metric, ...]
    card: ModelCard
    outputs: GraphOutputs
    accepted: NDArray[np.bool_]
    small: SmallResult | None = None


def calibrate(
    held_out: GraphOutputs,
    reference: GraphOutputs | None = None,
    ood_sets: OodSets | None = None,
    *,
    small: CalibrationOutputs | None = None,
    coverage: float = TARGET_COVERAGE,
    seed: int | None = None,
    on: str = HELD_OUT,
    by: str = MEASURED_BY,
    command: str = "",
    min_photos: int = MIN_PHOTOS,
    notes: tuple[str, ...] = (),
) -> CalibrationResult:
    """Fit temperature, label thresholds and OOD detector to held-out photos, and measure them.

    Everything, including the choice of detector, is fitted five times on four fifths of the
    photos and measured on the other fifth. The returned calibration is fitted on all photos.

    Args:
        reference: photos that the model was trained on; by default the held-out ones.
        ood_sets: photos of none of the labels, by the name of their set; at least one per fold.
        small: outputs of the small graph for the same photos. Temperature and thresholds are
            fitted to it as well; the detector is the full graph's.
        coverage: target share of photos whose prediction set holds the true label.
        seed: of the folds and, if one was drawn, of the split.
        on: the held-out photos, in words.
        by: who measured and with which reservation; begins with ``MEASURED_BY``.

    Raises:
        DataError: there are fewer photos.
    """
    if len(held_out) < min_photos:
        raise DataError(
            f"{len(held_out)} photos aren't enough to calibrate: use at least {min_photos}, "
            "preferably 300."
        )
    ood_sets = ood_sets or {}
    folds = list(split_folds(held_out.targets, held_out.groups, seed or 0))
    measured = Measurements(held_out)
    small_measured = Measurements(small.held_out) if small else None
    for number, (inside, outside) in enumerate(folds):
        choosing, measuring = split_ood(ood_sets, number, len(folds))
        fit = fit_calibration(held_out.subset(inside), reference, choosing, coverage)
        measured.add(fit, outside, measuring)
        if small and small_measured:
            small_fit = refit_thresholds(
                fit, held_out.subset(inside), reference, small.held_out.subset(inside), coverage
            )
            _, measuring = split_ood(small.ood_sets, number, len(folds))
            small_measured.add(small_fit, outside, measuring)
    final = fit_calibration(held_out, reference, ood_sets, coverage)
    about = {"on": on, "folds": len(folds), "command": command, "seed": seed, "notes": notes}
    small_result = None
    if small and small_measured:
        small_final = refit_thresholds(final, held_out, reference, small.held_out, coverage)
        small_result = SmallResult(
            calibration=small_final.to_calibration(coverage),
            metrics=small_measured.metrics(on, by),
            card=small_measured.card(small_final, about),
            agreement=measured.agreement(small_measured, on),
        )
    return CalibrationResult(
        calibration=final.to_calibration(coverage),
        detector=final.best.detector,
        metrics=measured.metrics(on, by),
        card=measured.card(final, about),
        outputs=held_out,
        accepted=measured.id_accepted,
        small=small_result,
    )
