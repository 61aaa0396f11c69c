"""What goes into a card: bins, mistakes, strangers, the scores that were compared."""

import numpy as np
from numpy.typing import NDArray

from ..bundle.card import MOST_MISTAKES, Mistake, OodResult, ReliabilityBin
from ..bundle.card import DetectorResult as ScoreLine
from ..evaluation.statistics import wilson_interval
from .graph_outputs import Outputs
from .scores import Score

__all__ = ["Told", "line", "mistakes", "reliability", "stranger"]

BINS = 10
MOST_LETTERS = 300

Told = tuple[float, int, int]
"""Of one fold and one set of strangers: AUROC, how many were let in, how many there were."""


def reliability(top: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[ReliabilityBin, ...]:
    """Answers by their probability, float64 [N], with which of them were right."""
    places = np.minimum((top * BINS).astype(int), BINS - 1)
    return tuple(
        ReliabilityBin(
            confidence=round(float(top[places == place].mean()), 4),
            accuracy=round(float(right[places == place].mean()), 4),
            photos=int((places == place).sum()),
        )
        for place in np.unique(places)
    )


def mistakes(
    known: Outputs, said: NDArray[np.intp], top: NDArray[np.float64]
) -> tuple[Mistake, ...]:
    """Wrong answers, the most confident first."""
    wrong = [place for place in np.argsort(-top) if said[place] != known.targets[place]]
    return tuple(
        Mistake(
            photo=known.names[place][-MOST_LETTERS:] if known.names else f"photo {place}",
            label=int(known.targets[place]),
            said=int(said[place]),
            probability=round(float(top[place]), 4),
        )
        for place in wrong[:MOST_MISTAKES]
    )


def stranger(name: str, rows: list[Told]) -> OodResult:
    """A set of strangers, all folds together."""
    area, inside, count = _pooled(rows)
    low, high = wilson_interval(inside, count)
    return OodResult(
        name=name,
        photos=count,
        auroc=round(area, 4),
        let_in=round(inside / count, 4),
        low=round(low, 4),
        high=round(high, 4),
    )


def line(score: Score, sets: dict[str, list[Told]], best: Score) -> ScoreLine:
    """A score with its mean over the sets of strangers."""
    pooled = [_pooled(rows) for rows in sets.values()]
    return ScoreLine(
        name=score.name,
        auroc=round(float(np.mean([area for area, _, _ in pooled])), 4),
        let_in=round(float(np.mean([inside / count for _, inside, count in pooled])), 4),
        bytes=score.bytes,
        kept=score is best,
    )


def _pooled(rows: list[Told]) -> Told:
    counts = [count for _, _, count in rows]
    area = float(np.average([area for area, _, _ in rows], weights=counts))
    return area, sum(inside for _, inside, _ in rows), sum(counts)
