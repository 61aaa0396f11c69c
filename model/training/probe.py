"""Linear probe: a linear layer fitted to a pretrained network's frozen features."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fastai.basics import chunked
from numpy.typing import NDArray

from ..learner.inference_module import InferenceModule
from ..preprocess import Pixels
from .config import Progress

INVERSE_REGULARIZATION = 0.1
"""scikit-learn's ``C``; the best of 0.03, 0.1 and 0.3 on clothes."""

BATCH_SIZE = 32


@dataclass(frozen=True, slots=True)
class Probe:
    """A linear head: ``weight`` float32 [labels, D], ``bias`` [labels], held-out accuracy."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    accuracy: float


def compute_features(
    module: InferenceModule, photos: Iterable[Pixels], total: int, progress: Progress
) -> NDArray[np.float32]:
    """Return the features of photos, float32 [N, D].

    Args:
        module: in evaluation mode.
        photos: uint8 [height, width, 3] each.
        total: number of photos.
        progress: told of each batch.
    """
    features: list[NDArray[np.float32]] = []
    for batch in chunked(photos, BATCH_SIZE):
        with torch.inference_mode():
            features.append(module(torch.from_numpy(np.stack(batch)))[1].numpy())
        progress.update("Features", sum(map(len, features)), total)
    return np.concatenate(features)


def fit_probe(
    features: NDArray[np.float32],
    targets: Sequence[int],
    held_out: NDArray[np.float32],
    held_out_targets: Sequence[int],
) -> Probe:
    """Fit a head to features, float32 [N, D], and measure it on held-out ones.

    Source: scikit-learn's ``LogisticRegression``, multinomial, L2.
    """
    from sklearn.linear_model import LogisticRegression

    model: Any = LogisticRegression(C=INVERSE_REGULARIZATION, max_iter=1000)
    model.fit(features, targets)
    weight, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        # scikit-learn has one row for two labels; half of it goes to each.
        weight, bias = np.vstack([-weight / 2, weight / 2]), np.array([-bias[0] / 2, bias[0] / 2])
    accuracy = float(model.score(held_out, held_out_targets))
    return Probe(weight.astype(np.float32), bias.astype(np.float32), accuracy)
