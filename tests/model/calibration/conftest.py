"""Invented outputs of a network, and photos for ``calibrate`` on the model of colours."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from model.calibration.graph_outputs import GraphOutputs
from tests.model.tiny import COLOURS, colour

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
    """Return the logits of the optimal linear classifier for these Gaussian clouds."""
    result = features @ centres().T / NOISE**2 - (centres() ** 2).sum(axis=1) / 2 / NOISE**2
    return result.astype(np.float32)


def shades(folder: Path, count: int = 12, spread: float = 60) -> Path:
    """Photos of each colour, more or less of it."""
    random = np.random.default_rng(0)
    for name, middle in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for place in range(count):
            shade = np.clip(random.normal(middle, spread), 0, 255).astype(int)
            Image.new("RGB", (40 + place, 40), tuple(shade)).save(folder / name / f"{place}.png")
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return shades(tmp_path / "held out")


@pytest.fixture
def greys(tmp_path: Path) -> Path:
    folder = tmp_path / "greys"
    folder.mkdir()
    for place in range(60):
        colour((90 + place, 100 + place, 95 + place)).save(folder / f"{place}.png")
    return folder
