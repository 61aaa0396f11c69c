"""Occlusion maps: cover each region of a photo to see how much a prediction depends on it.

They work with every engine on the server, because they need only its outputs.
Source: occlusion sensitivity (Zeiler and Fergus, Visualizing and Understanding
Convolutional Networks, 2014), with blurred patches instead of grey ones.
"""

import math
import time

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .admission import admission_queue, local_slot
from .classifier import Classifier
from .preprocess import Pixels

COARSE, FINE = 4, 6
"""Patches along a side of the photo: of the grid that is always completed, and of the finer one."""

MAX_INFERENCES = 40
"""Most inferences: the photo, the coarse patches, and the finer ones where those matter most."""

FINE_WEIGHT = 5
"""Weight of a finer patch relative to a coarse one."""

PATCHES_PER_CHECK = 6
"""Finer patches after which the order of the regions is compared."""

COMPARED_REGIONS = 5
"""First regions whose order is compared; no change ends the map."""

BUDGET_SECONDS = 0.7
"""Time for the finer grid, in seconds."""


def occlusion_map(
    classifier: Classifier, pixels: Pixels, label: int, seconds: float = BUDGET_SECONDS
) -> NDArray[np.float32]:
    """Return how much covering each region lowers the score of a label.

    Coarse patches come first, then finer ones, the most important region first, until the order
    of the regions no longer changes, ``seconds`` have passed or ``MAX_INFERENCES`` were made.

    Args:
        classifier: the model and engine that made the prediction.
        pixels: uint8 [height, width, 3], the engine's input.
        label: index of the label to explain.
        seconds: time for the finer grid.

    Returns:
        float32 [height, width], from 0 (the least important sixth) to 1 (the most important).

    Raises:
        Busy: all slots are taken and the queue is full.
    """
    deadline = time.perf_counter() + seconds
    original = pixels.astype(np.float32)
    blur = ImageFilter.GaussianBlur(pixels.shape[0] / 10)
    difference = np.asarray(Image.fromarray(pixels).filter(blur), dtype=np.float32) - original
    height, width = pixels.shape[:2]
    importance = np.zeros((height, width), dtype=np.float32)
    weight = np.full((height, width), 1e-6, dtype=np.float32)
    with admission_queue().acquire() as admission, local_slot(admission):
        uncovered = _score(classifier, pixels, label)

        # Patches run one at a time: a batch is no faster on few cores and needs more memory.
        def cover(grid: int, cell: int, share: float) -> None:
            row, column = divmod(cell, grid)
            # A soft patch over the cell: float32 [height, width], 0 to 1.
            mask = np.outer(_soft_steps(grid, height)[row], _soft_steps(grid, width)[column])
            covered = (original + mask[..., None] * difference).astype(np.uint8)
            loss = max(0.0, uncovered - _score(classifier, covered, label))
            np.add(importance, share * loss * mask, out=importance)
            np.add(weight, share * mask, out=weight)

        for cell in range(COARSE**2):
            cover(COARSE, cell, 1)
        order = ranked = _ranked_regions(importance / weight)
        for count, cell in enumerate(ranked[: MAX_INFERENCES - 1 - COARSE**2], 1):
            if time.perf_counter() > deadline:
                break
            cover(FINE, cell, FINE_WEIGHT)
            if count % PATCHES_PER_CHECK == 0:
                former, order = order, _ranked_regions(importance / weight)
                if order[:COMPARED_REGIONS] == former[:COMPARED_REGIONS]:
                    break
    importance /= weight
    low, high = np.percentile(importance, (15, 97))
    spread = max(float(high - low), 1e-6)
    return np.asarray(np.clip((importance - low) / spread, 0, 1), dtype=np.float32)


def _score(classifier: Classifier, pixels: Pixels, label: int) -> float:
    """Return the log-odds of a label, which still change where probabilities are near 1."""
    probability = float(classifier.engine.run(pixels[None]).probabilities[0, label])
    probability = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(probability / (1 - probability))


def _ranked_regions(importance: NDArray[np.float32]) -> list[int]:
    """Return the cells of the finer grid, the most important first."""
    means = mean_cells(importance, FINE).round(3).ravel()
    return [int(cell) for cell in np.argsort(-means, kind="stable")]


def _soft_steps(grid: int, length: int) -> NDArray[np.float32]:
    """Return one soft step per grid line, float32 [grid, length]."""
    centres = (np.arange(grid) + 0.5) * length / grid
    distance = np.abs(np.arange(length)[None, :] + 0.5 - centres[:, None])
    reach = length / grid
    return np.clip(1.5 - distance / reach, 0, 1).astype(np.float32)


def mean_cells(importance: NDArray[np.float32], cells: int) -> NDArray[np.float64]:
    """Return the means of a map, float32 [height, width], over equal parts of it.

    Returns:
        float64 [rows, columns]: ``cells`` of each, or as many as the map has.
    """
    height, width = importance.shape
    rows = np.linspace(0, height, min(cells, height) + 1).astype(int)
    columns = np.linspace(0, width, min(cells, width) + 1).astype(int)
    row_sums = np.add.reduceat(importance.astype(np.float64), rows[:-1], axis=0)
    sums = np.add.reduceat(row_sums, columns[:-1], axis=1)
    return np.asarray(sums / np.outer(np.diff(rows), np.diff(columns)))


def render_overlay(pixels: Pixels, importance: NDArray[np.float32], side: int = 448) -> Image.Image:
    """Return the photo with important regions bright and the rest dark and grey.

    Brightness is readable with any kind of colour vision.

    Returns:
        RGB, ``side`` pixels high.
    """
    scale = side / pixels.shape[0]
    size = (round(pixels.shape[1] * scale), side)
    picture = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    light = Image.fromarray((importance * 255).astype(np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    dark = picture.convert("L").point(lambda value: value * 0.25).convert("RGB")
    return Image.composite(picture, dark, light)
