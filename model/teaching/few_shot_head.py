"""The few-shot head, a linear layer on a base's features, and its validation by photo groups.

Each group is judged by a head that was fitted without it. Photos of one recording are near copies,
so leaving out single photos would claim accuracy that photos of another day don't have.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..calibration.fit import Doubles, fit_temperature
from ..calibration.graph_outputs import Floats
from ..calibration.ood_detectors import unit_rows

Indices = NDArray[np.intp]

INVERSE_REGULARIZATION = 0.1
"""scikit-learn's ``C``; values from 0.01 to 1 make no visible difference."""


@dataclass(frozen=True, eq=False)
class FewShotHead:
    """``weight`` [labels, D], ``bias`` [labels] and ``means`` [labels, D] of length one, float32.

    ``temperature`` is what logits are divided by, ``ood_threshold`` the OOD score above which the
    answer is “none of these”.
    """

    weight: Floats
    bias: Floats
    means: Floats
    temperature: float
    ood_threshold: float

    def logits(self, features: Floats | Doubles) -> Doubles:
        """Return logits, float64 [N, labels], for features [N, D]."""
        return np.asarray(features.astype(float) @ self.weight.T.astype(float) + self.bias)

    def ood_scores(self, features: Floats | Doubles) -> Doubles:
        """Return OOD scores, float64 [N], for features [N, D]."""
        return ood_scores(features.astype(float), self.means.astype(float))


def fit_layer(features: Doubles, targets: Indices) -> tuple[Doubles, Doubles]:
    """Return weight [labels, D] and bias [labels], fitted to photos of every label.

    Source: scikit-learn's ``LogisticRegression``, multinomial, L2.
    """
    from sklearn.linear_model import LogisticRegression

    # The intercept has no penalty, so centring only saves time: two thirds of it.
    centre = features.mean(axis=0)
    model: Any = LogisticRegression(C=INVERSE_REGULARIZATION, tol=1e-8, max_iter=10_000)
    model.fit(features - centre, targets)
    weight, bias = model.coef_, model.intercept_ - model.coef_ @ centre
    # scikit-learn has one row for two labels; half of it goes to each.
    return (weight, bias) if len(bias) > 1 else (weight * [[-0.5], [0.5]], bias * [-0.5, 0.5])


def label_means(features: Doubles, targets: Indices, groups: Indices) -> Doubles:
    """Return each label's mean over the means of its photo groups, of length one [labels, D]."""
    weights = 1 / np.bincount(groups)[groups]
    return unit_rows(np.array([(weights * (targets == k)) @ features for k in np.unique(targets)]))


def ood_scores(features: Doubles, means: Doubles) -> Doubles:
    """Return the highest cosine to a mean, negated, [N]."""
    return np.asarray(-(unit_rows(features) @ means.T).max(axis=1))


MAX_EACH = 60
"""Most groups of which one per label is left out at a time; above it, a fifth is."""

FOLDS = 5
PROMISES = ((19, 0.95), (9, 0.9))
"""Minimum counted groups, and the share of known photos that the threshold then accepts."""

MIN_GROUPS_FOR_TEMPERATURE = 3

Folds = Literal["each group", "five"]


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Outputs for N photos, each of a head that was fitted without the photo's group.

    ``logits`` [N, labels] and ``scores`` [N] are NaN for photos that were never left out: their
    label has no other group.
    """

    targets: Indices
    groups: Indices
    logits: Doubles
    scores: Doubles

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Whether each photo was in a left-out fold, bool [N]."""
        return ~np.isnan(self.scores)

    @property
    def group_labels(self) -> Indices:
        """The label of each group."""
        return self.targets[np.unique(self.groups, return_index=True)[1]]

    @property
    def folds(self) -> Folds:
        """How groups were left out."""
        return "each group" if len(self.group_labels) <= MAX_EACH else "five"

    @property
    def outcomes(self) -> list[tuple[int, int]]:
        """By counted group: its label, and the label of its photos' highest mean logit."""
        counted = np.unique(self.groups[self.counted])
        called = [self.logits[self.groups == group].mean(axis=0).argmax() for group in counted]
        return [*zip(self.group_labels[counted].tolist(), map(int, called), strict=True)]

    @property
    def stands_out(self) -> NDArray[np.bool_]:
        """Whether a head without its group gives a photo another label, bool [N]."""
        return np.asarray(self.counted & (self.logits.argmax(axis=1) != self.targets))

    @property
    def promise(self) -> float | None:
        """The share of known photos that the threshold accepts; None with too few groups."""
        count = len(self.outcomes)
        return next((share for groups, share in PROMISES if count >= groups), None)

    @property
    def _shares(self) -> Doubles:
        """Each photo's weight [N]; those of one group add up to 1."""
        return np.asarray(1.0 / np.bincount(self.groups)[self.groups])

    def ood_threshold(self, fallback_cosine: float) -> float:
        """Return the OOD score above which the answer is “none of these”.

        Source: Dunn, Wasserman and Ramdas, Distribution-Free Prediction Sets for Two-Layer
        Hierarchical Models, 2022 (pooled distribution functions).
        """
        # A cosine may be larger than one by rounding.
        scores = np.maximum(self.scores[self.counted], -1.0)
        if self.promise is None:
            return float(max(scores.max(initial=-1.0), -fallback_cosine))
        order = np.argsort(scores)
        # Shares such as 1/3 don't add up to exactly one.
        needed = self.promise * (len(self.outcomes) + 1) - 1e-9
        place = int(np.searchsorted(np.cumsum(self._shares[self.counted][order]), needed))
        return float(scores[order][min(place, len(scores) - 1)])

    def temperature(self) -> float:
        """Return what logits are divided by; 1 where a label has too few groups to tell."""
        if np.bincount(self.group_labels).min() < MIN_GROUPS_FOR_TEMPERATURE:
            return 1.0
        return fit_temperature(self.logits, self.targets, self._shares)


def merge_near_copies(
    features: Doubles, targets: Indices, recordings: Indices, near_copy: float
) -> Indices:
    """Return the photo group of each photo [N], numbered by its first photo.

    Args:
        features: [N, D].
        targets: labels [N].
        recordings: photos with one number are one group, [N].
        near_copy: cosine from which two photos of one label are one group as well.
    """
    from scipy.sparse.csgraph import connected_components

    rows = unit_rows(features)
    alike = (rows @ rows.T >= near_copy) & (targets[:, None] == targets)
    _, groups = connected_components(alike | (recordings[:, None] == recordings))
    return np.asarray(groups, np.intp)


def fit_head(
    features: Floats | Doubles, targets: Indices, groups: Indices, fallback_cosine: float
) -> tuple[FewShotHead, LeftOut]:
    """Fit a head to photos of every label, and judge each group by a head without it.

    Args:
        features: [N, D].
        targets: indices of the labels [N].
        groups: the photos' groups [N], from ``merge_near_copies``.
        fallback_cosine: the base's, see ``browser.small_graph.BASES``.
    """
    from threadpoolctl import threadpool_limits

    # Threads that wait for each other make these small products thirty times slower.
    with threadpool_limits(1):
        # The photos span at most N dimensions. In those, inner products are the same, so the head
        # is as well: its weights are sums of photos. Each fit takes milliseconds.
        left, lengths, basis = np.linalg.svd(features.astype(float), full_matrices=False)
        rows, shape = left * lengths, (len(targets), targets.max() + 1)
        left_out = LeftOut(targets, groups, np.full(shape, np.nan), np.full(shape[0], np.nan))
        folds = _split(left_out.group_labels)[groups]
        for fold in set(folds.tolist()) - {-1}:
            outside, inside = folds == fold, folds != fold
            weight, bias = fit_layer(rows[inside], targets[inside])
            means = label_means(rows[inside], targets[inside], groups[inside])
            left_out.logits[outside] = rows[outside] @ weight.T + bias
            left_out.scores[outside] = ood_scores(rows[outside], means)
        weight, bias = fit_layer(rows, targets)
        head = FewShotHead(
            (weight @ basis).astype(np.float32),
            bias.astype(np.float32),
            (label_means(rows, targets, groups) @ basis).astype(np.float32),
            left_out.temperature(),
            left_out.ood_threshold(fallback_cosine),
        )
    return head, left_out


def _split(labels: Indices) -> Indices:
    """Return each group's fold, -1 for one that is never left out; ``labels`` are the groups'.

    A fold has one group of every label, so that the rest is as balanced as before: leaving out one
    group in all, three labels of two groups each claimed 39% where 83% was true.
    """
    counts = np.bincount(labels)
    places = np.array([np.sum(labels[:place] == label) for place, label in enumerate(labels)])
    folds = FOLDS if len(labels) > MAX_EACH else counts.max()
    return np.where(counts[labels] > 1, places % folds, -1)
