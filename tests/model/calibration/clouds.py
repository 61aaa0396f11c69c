"""Made-up outputs of a network: each label a cloud of features, strangers far from all."""

import numpy as np

from model.calibration import Outputs

LABELS, WIDTH = 4, 16
NOISE = 6.0


def centres() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(LABELS, WIDTH)) * 3


def known(count: int = 400, seed: int = 1, sharp: float = 1.0) -> Outputs:
    """Photos of the labels, some of them hard; ``sharp`` multiplies the logits."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, LABELS, count)
    features = centres()[targets] + random.normal(size=(count, WIDTH)) * NOISE
    names = tuple(f"{place}.jpg" for place in range(count))
    return Outputs(logits(features) * sharp, features.astype(np.float32), targets, names)


def strangers(count: int = 200, seed: int = 2) -> Outputs:
    features = np.random.default_rng(seed).normal(size=(count, WIDTH)) * 3
    return Outputs(logits(features), features.astype(np.float32), np.zeros(count, int))


def logits(features: np.ndarray) -> np.ndarray:
    """What the best linear classifier of such clouds says."""
    found = features @ centres().T / NOISE**2 - (centres() ** 2).sum(axis=1) / 2 / NOISE**2
    return found.astype(np.float32)
