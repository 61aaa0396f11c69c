"""Rows of a model card: reliability bins, mistakes, OOD sets, compared detectors."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..bundle import MAX_MISTAKES, DetectorResult, Mistake, OodResult, ReliabilityBin
from ..evaluation.metrics import wilson_interval
from .graph_outputs import GraphOutputs
from .ood_detectors import Detector, FoldResult

__all__ = ["detector_result", "ood_result", "reliability_bins", "worst_mistakes"]

BINS = 10
MAX_NAME_LENGTH = 300


def reliability_bins(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_]
) -> tuple[ReliabilityBin, ...]:
    """Return predictions grouped by their confidence, float64 [N], and how many are correct."""
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return tuple(
        ReliabilityBin(
            confidence=round(float(confidence[places == place].mean()), 4),
            accuracy=round(float(correct[places == place].mean()), 4),
            photos=int((places == place).sum()),
        )
        for place in np.unique(places)
    )


def worst_mistakes(
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


def ood_result(name: str, folds: Sequence[FoldResult]) -> OodResult:
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


def detector_result(
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
