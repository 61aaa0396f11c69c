"""A calibration found and measured, out of fold."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..bundle.card import DetectorResult as ScoreLine
from ..bundle.card import Mistake, OodResult, ReliabilityBin
from ..bundle.manifest import Calibration, PredictionSetRule
from ..errors import DataError
from ..evaluation.statistics import expected_calibration_error
from .card_rows import Told, line, mistakes, reliability, stranger
from .graph_outputs import Floats, Outputs
from .scores import DEFAULT, MOST_BYTES, SCORES, Fit, Score
from .statistics import auroc, floors, probabilities, temperature, threshold

__all__ = ["COVERAGE", "KEEP", "LEAST", "CalibrationResult", "calibrate"]

COVERAGE = 0.9
KEEP = 0.95
FOLDS, INNER = 5, 3
LEAST = 50
"""Held-out photos without which nothing can be said."""


@dataclass(frozen=True)
class CalibrationResult:
    """A calibration with what was measured of it, all out of fold.

    ``coverage`` and ``kept`` count photos; errors are expected calibration errors,
    before and after the temperature.
    """

    confidence: Calibration
    score: Score
    folds: int
    photos: int
    right: int
    covered: int
    kept: int
    set_size: float
    error: float
    error_before: float
    confusion: tuple[tuple[int, int, int], ...]
    reliability: tuple[ReliabilityBin, ...]
    before: tuple[ReliabilityBin, ...]
    mistakes: tuple[Mistake, ...]
    scores: tuple[ScoreLine, ...]
    strangers: tuple[OodResult, ...]


def calibrate(
    known: Outputs,
    reference: Outputs | None = None,
    strangers: Mapping[str, Outputs] | None = None,
    *,
    coverage: float = COVERAGE,
    keep: float = KEEP,
    seed: int = 0,
) -> CalibrationResult:
    """Fit a temperature, a set size and a novelty to held-out photos, and measure them.

    Everything is fitted five times on four fifths and measured on the rest, also
    the choice of the score; what is returned for use is fitted on all.

    Args:
        known: held-out photos with their labels.
        reference: photos that the model learnt from; without them the held-out
            ones stand for them.
        strangers: photos of nothing that the model knows, by the name of their set.

    Raises:
        DataError: fewer than fifty photos.
    """
    if len(known) < LEAST:
        raise DataError(
            f"{len(known)} photos are too few to calibrate with: {LEAST} are needed, 300 are good."
        )
    strangers = {name: one for name, one in (strangers or {}).items() if len(one)}
    folds = list(_folds(known.targets, seed))
    measured = _Measured(known)
    for number, (inside, outside) in enumerate(folds):
        far = {
            name: (one.part(a), one.part(b))
            for name, one in strangers.items()
            for a, b in [_parts(len(one), number, len(folds))]
        }
        measured.add(known.part(inside), outside, reference, far, coverage, keep)
    return _trust(measured, known, reference, strangers, coverage, keep, len(folds))


def _folds(
    targets: NDArray[np.intp], seed: int, count: int = FOLDS
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    import warnings

    from sklearn.model_selection import KFold, StratifiedKFold

    # Where every label has fewer photos than there are folds, none can be spread evenly.
    kind = StratifiedKFold if np.max(np.bincount(targets)) >= count else KFold
    with warnings.catch_warnings():
        # A label with fewer photos than folds is missing from some.
        warnings.simplefilter("ignore", UserWarning)
        yield from kind(count, shuffle=True, random_state=seed).split(targets, targets)


def _parts(count: int, fold: int, folds: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places to choose with and places to measure with; every photo is measured once."""
    places = np.random.default_rng(0).permutation(count)
    return places[np.arange(count) % folds != fold], places[np.arange(count) % folds == fold]


@dataclass(frozen=True)
class _Fitted:
    """A score with the novelty of the photos that its threshold comes from."""

    score: Score
    novelty: Floats


def _fitted(fit: Fit, inside: Outputs, reference: Outputs | None) -> _Fitted:
    """Fit a score; what it says of ``inside`` comes from photos other than those.

    Photos that are their own reference would look nearer than new ones ever do, and
    the threshold would turn away what is known.
    """
    if reference is not None:
        score = fit(reference, inside)
        return _Fitted(score, score(inside.features, inside.logits))
    novelty = np.zeros(len(inside), np.float32)
    for others, rest in _folds(inside.targets, 0, INNER):
        part, others_ = inside.part(rest), inside.part(others)
        novelty[rest] = fit(others_, others_)(part.features, part.logits)
    return _Fitted(fit(inside, inside), novelty)


class _Measured:
    """Gathers what each fold says of the photos outside of it."""

    def __init__(self, known: Outputs) -> None:
        count, labels = known.logits.shape
        self.known = known
        self.shares = np.zeros((count, labels))
        self.covered = np.zeros(count, bool)
        self.sizes = np.zeros(count, int)
        self.kept = np.zeros(count, bool)
        # By set of strangers: AUROC of each fold, and how many were let in.
        self.chosen: dict[str, list[Told]] = {}
        self.compared: dict[str, dict[str, list[Told]]] = {}

    def add(
        self,
        inside: Outputs,
        outside: NDArray[np.intp],
        reference: Outputs | None,
        far: Mapping[str, tuple[Outputs, Outputs]],
        coverage: float,
        keep: float,
    ) -> None:
        """One fold: ``inside`` was fitted on, ``outside`` are places in the known photos."""
        rest = self.known.part(outside)
        heat = temperature(inside.logits, inside.targets)
        shares = probabilities(rest.logits, heat)
        bounds = floors(probabilities(inside.logits, heat), inside.targets, coverage)
        self.shares[outside] = shares
        self.covered[outside], self.sizes[outside] = _in_set(shares, rest.targets, bounds)
        scores = [_fitted(fit, inside, reference) for fit in SCORES]
        for one in scores:
            limit = threshold(one.novelty, keep)
            found = self.compared.setdefault(one.score.name, {})
            for name, (_, measured) in far.items():
                found.setdefault(name, []).append(_told(one.score, rest, measured, limit))
        best = _best(scores, {name: pair[0] for name, pair in far.items()})
        limit = threshold(best.novelty, keep)
        self.kept[outside] = best.score(rest.features, rest.logits) <= limit
        for name, (_, measured) in far.items():
            self.chosen.setdefault(name, []).append(_told(best.score, rest, measured, limit))


def _told(score: Score, known: Outputs, strangers: Outputs, limit: float) -> Told:
    """AUROC, strangers let in, strangers."""
    if not len(strangers):
        return 0.0, 0, 0
    novelty = score(strangers.features, strangers.logits)
    area = auroc(score(known.features, known.logits), novelty)
    return area, int((novelty <= limit).sum()), len(strangers)


def _best(scores: list[_Fitted], strangers: Mapping[str, Outputs]) -> _Fitted:
    """The score that tells best, on average over the sets, among those that are small enough."""
    small = [one for one in scores if one.score.bytes <= MOST_BYTES]
    if not strangers:
        return next(one for one, fit in zip(scores, SCORES, strict=True) if fit is DEFAULT)

    def mean(one: _Fitted) -> float:
        areas = [auroc(one.novelty, one.score(s.features, s.logits)) for s in strangers.values()]
        return float(np.mean(areas))

    return max(small, key=mean)


def _in_set(
    shares: NDArray[np.float64], targets: NDArray[np.intp], bounds: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Whether the set of each photo holds its label, and how large it is."""
    rows, inside = np.arange(len(shares)), shares >= bounds
    inside[rows, shares.argmax(axis=1)] = True
    least = np.where(inside, shares, np.inf).min(axis=1)
    inside = shares >= least[:, None]
    return inside[rows, targets], inside.sum(axis=1)


def _trust(
    measured: _Measured,
    known: Outputs,
    reference: Outputs | None,
    strangers: Mapping[str, Outputs],
    coverage: float,
    keep: float,
    folds: int,
) -> CalibrationResult:
    heat = temperature(known.logits, known.targets)
    bounds = floors(probabilities(known.logits, heat), known.targets, coverage)
    scores = [_fitted(fit, known, reference) for fit in SCORES]
    best = _best(scores, strangers)
    said = known.logits.argmax(axis=1)
    right = said == known.targets
    top = measured.shares[np.arange(len(known)), said]
    raw = probabilities(known.logits, 1.0).max(axis=1)
    pairs = Counter(zip(known.targets.tolist(), said.tolist(), strict=True))
    return CalibrationResult(
        confidence=Calibration(
            temperature=round(heat, 4),
            plausible=PredictionSetRule(
                coverage=coverage, floors=tuple(round(float(bound), 6) for bound in bounds)
            ),
            novelty=round(threshold(best.novelty, keep), 6),
            score=best.score.name,
        ),
        score=best.score,
        folds=folds,
        photos=len(known),
        right=int(right.sum()),
        covered=int(measured.covered.sum()),
        kept=int(measured.kept.sum()),
        set_size=float(measured.sizes.mean()),
        error=expected_calibration_error(top, right),
        error_before=expected_calibration_error(raw, right),
        confusion=tuple((label, answer, count) for (label, answer), count in pairs.most_common()),
        reliability=reliability(top, right),
        before=reliability(raw, right),
        mistakes=mistakes(known, said, top),
        scores=tuple(
            line(one.score, measured.compared[one.score.name], best.score) for one in scores
        )
        if strangers
        else (),
        strangers=tuple(stranger(name, rows) for name, rows in measured.chosen.items()),
    )
