"""The first answer: a linear head fitted to the features of a network as published."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..learner.inference_module import InferenceModule
from ..preprocess import Pixels
from .progress import TrainingProgress, Watch

__all__ = ["Probe", "features_of", "fit_probe"]

STRENGTH = 0.1
"""Inverse of the regularisation: of 0.03, 0.1 and 0.3 the best on clothes."""

BATCH = 32


@dataclass(frozen=True, slots=True)
class Probe:
    """A linear head: ``weight`` float32 [labels, D], ``bias`` [labels], held-out accuracy."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    accuracy: float

    def put(self, layer: nn.Linear) -> None:
        """Make it the weights of a layer."""
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.weight))
            layer.bias.copy_(torch.from_numpy(self.bias))


def features_of(
    module: InferenceModule, photos: Iterable[Pixels], total: int, stage: str, watch: Watch
) -> NDArray[np.float32]:
    """The features of photos, float32 [N, D].

    Args:
        module: in evaluation mode.
        photos: uint8 [height, width, 3] each.
        total: how many there are.
        stage: what is told to ``watch``.
    """
    found, batch, done = [], list[Pixels](), 0

    def run() -> None:
        nonlocal done
        with torch.inference_mode():
            found.append(module(torch.from_numpy(np.stack(batch)))[1].numpy())
        done += len(batch)
        batch.clear()
        watch(TrainingProgress(stage, done, total))

    for pixels in photos:
        batch.append(pixels)
        if len(batch) == BATCH:
            run()
    if batch:
        run()
    return np.concatenate(found)


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

    fitted: Any = LogisticRegression(C=STRENGTH, max_iter=1000).fit(features, targets)
    weight, bias = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:
        # One row stands for two labels: half of it for and half against.
        weight, bias = np.vstack([-weight / 2, weight / 2]), np.array([-bias[0] / 2, bias[0] / 2])
    right = float(fitted.score(held_out, held_out_targets))
    return Probe(weight.astype(np.float32), bias.astype(np.float32), right)
