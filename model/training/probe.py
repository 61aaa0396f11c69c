"""Linear probe: a linear layer fitted to a pretrained network's frozen features."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from fastai.basics import chunked
from numpy.typing import NDArray

from ..browser.small_graph import round_matrix
from ..calibration.fit import split_folds
from ..calibration.graph_outputs import GraphOutputs
from ..events import Progress
from ..learner.inference_module import InferenceModule
from ..preprocess import Pixels

INVERSE_REGULARIZATION = 0.1
"""scikit-learn's ``C``; the best of 0.03, 0.1 and 0.3 on clothes."""

BATCH_SIZE = 32


@dataclass(frozen=True, slots=True)
class Probe:
    """A linear head: ``weight`` float32 [labels, D], ``bias`` [labels]."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def logits(self, features: NDArray[np.float32], *, small: bool = False) -> NDArray[np.float32]:
        """Return logits [N, labels] for features [N, D]; ``small``: as the small graph does."""
        matrix = np.ascontiguousarray(self.weight.T)
        result: NDArray[np.float32] = features @ (round_matrix(matrix) if small else matrix)  # type: ignore[operator]
        return result + self.bias

    def accuracy(self, features: NDArray[np.float32], targets: Sequence[int]) -> float:
        """Return the share of photos whose top label is the true one."""
        return float((self.logits(features).argmax(axis=1) == targets).mean())


def compute_features(
    module: InferenceModule, photos: Iterable[Pixels], total: int, progress: Progress
) -> NDArray[np.float32]:
    """Return the features of photos, float32 [N, D].

    Args:
        module: in evaluation mode.
        photos: uint8 [height, width, 3] each.
    """
    features: list[NDArray[np.float32]] = []
    for batch in chunked(photos, BATCH_SIZE):
        with torch.inference_mode():
            features.append(module(torch.from_numpy(np.stack(batch)))[1].numpy())
        progress.update("Features", sum(map(len, features)), total)
    return np.concatenate(features)


def fit_probe(features: NDArray[np.float32], targets: Sequence[int] | NDArray[np.intp]) -> Probe:
    """Fit a head to features, float32 [N, D], of photos of every label.

    Source: scikit-learn's ``LogisticRegression``, multinomial, L2.
    """
    from sklearn.linear_model import LogisticRegression

    model: Any = LogisticRegression(C=INVERSE_REGULARIZATION, max_iter=1000)
    model.fit(features, targets)
    weight, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        # scikit-learn has one row for two labels; half of it goes to each.
        weight, bias = np.vstack([-weight / 2, weight / 2]), np.array([-bias[0] / 2, bias[0] / 2])
    return Probe(weight.astype(np.float32), bias.astype(np.float32))


def cross_fit(
    full: GraphOutputs, small: GraphOutputs, seed: int
) -> tuple[GraphOutputs, GraphOutputs]:
    """Return both graphs' outputs with logits of heads that were fitted to the other photos.

    Photos that look alike are in the same fold.
    """
    logits, small_logits = np.empty_like(full.logits), np.empty_like(full.logits)
    for inside, outside in split_folds(full.targets, full.groups, seed):
        head = fit_probe(full.features[inside], full.targets[inside])
        logits[outside] = head.logits(full.features[outside])
        small_logits[outside] = head.logits(small.features[outside], small=True)
    return replace(full, logits=logits), replace(small, logits=small_logits)
