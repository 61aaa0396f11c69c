"""Measure a calibration by cross-validation: the figures and rows of a model card."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..bundle import Calibration, GraphAgreement, Metric, ModelCard
from ..errors import DataError
from .fit import fit_calibration, refit_thresholds, split_folds
from .graph_outputs import MIN_PHOTOS, CalibrationOutputs, GraphOutputs
from .measurements import HELD_OUT, Measurements
from .ood_detectors import Detector

OodSets = Mapping[str, GraphOutputs]
"""Outputs for OOD photos by the name of their set."""

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
        held_out: held-out photos with their labels.
        reference: photos that the model was trained on; by default the held-out ones.
        ood_sets: photos of none of the labels, by the name of their set; at least one per fold.
        small: outputs of the small graph for the same photos. Temperature and thresholds are
            fitted to it as well; the detector is the full graph's.
        coverage: target share of photos whose prediction set holds the true label.
        seed: of the folds and, if one was drawn, of the split.
        on: the held-out photos, in words.
        by: who measured and with which reservation; begins with ``MEASURED_BY``.
        command: the command line that was used, for the card.
        min_photos: fewest held-out photos that are enough.
        notes: lines for the card.

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
        choosing, measuring = _split_ood(ood_sets, number, len(folds))
        fit = fit_calibration(held_out.subset(inside), reference, choosing, coverage)
        measured.add(fit, outside, measuring)
        if small and small_measured:
            small_fit = refit_thresholds(
                fit, held_out.subset(inside), reference, small.held_out.subset(inside), coverage
            )
            _, measuring = _split_ood(small.ood_sets, number, len(folds))
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


def _split_ood(ood_sets: OodSets, fold: int, folds: int) -> tuple[OodSets, OodSets]:
    """Split OOD photos into those that choose the detector and those measured in this fold."""
    choosing, measuring = {}, {}
    for name, outputs in ood_sets.items():
        places = np.random.default_rng(0).permutation(len(outputs))
        in_fold = np.arange(len(outputs)) % folds == fold
        choosing[name] = outputs.subset(places[~in_fold])
        measuring[name] = outputs.subset(places[in_fold])
    return choosing, measuring
