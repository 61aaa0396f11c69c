"""The few-shot head: a linear layer on a base's features, and each label's mean feature vector."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..calibration.fit import Doubles
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
