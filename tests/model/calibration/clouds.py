"""Invented outputs of a network: each label a cloud of features, OOD photos outside of all."""

import numpy as np
from numpy.typing import NDArray

from model.calibration import GraphOutputs

LABELS, WIDTH = 4, 16
NOISE = 6.0


def centres() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(LABELS, WIDTH)) * 3


def id_outputs(count: int = 400, seed: int = 1, sharpness: float = 1.0) -> GraphOutputs:
    """Photos of the labels, some of them hard; ``sharpness`` multiplies the logits."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, LABELS, count)
    features = centres()[targets] + random.normal(size=(count, WIDTH)) * NOISE
    names = tuple(f"{place}.jpg" for place in range(count))
    sharp = logits(features) * np.float32(sharpness)
    return GraphOutputs(sharp, features.astype(np.float32), targets, names)


def ood_outputs(count: int = 200, seed: int = 2) -> GraphOutputs:
    features = np.random.default_rng(seed).normal(size=(count, WIDTH)) * 3
    return GraphOutputs(logits(features), features.astype(np.float32), np.zeros(count, int))


def logits(features: np.ndarray) -> NDArray[np.float32]:
    """The logits of the best linear classifier for such clouds."""
    result = features @ centres().T / NOISE**2 - (centres() ** 2).sum(axis=1) / 2 / NOISE**2
    return result.astype(np.float32)
