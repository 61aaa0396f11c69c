"""Why: which parts of a photo an answer rests on, by covering them in turn.

Works with every engine alike, because it only asks for answers.
Source: occlusion sensitivity (Zeiler and Fergus, Visualizing and Understanding
Convolutional Networks, 2014), with blurred patches instead of grey ones.
"""

import time

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .classifier import Classifier
from .gate import gate
from .preprocess import Pixels

__all__ = ["explain", "spotlight"]

BATCH = 7
GRIDS = (5, 7, 9)
SECONDS = 0.7


def explain(
    classifier: Classifier, pixels: Pixels, label: int, seconds: float = SECONDS
) -> NDArray[np.float32]:
    """How much the answer loses where the photo is covered.

    Coarse grids come first, finer ones as long as ``seconds`` last; the first is
    always finished.

    Args:
        pixels: uint8 [height, width, 3] as the engine gets them.
        label: index of the label to explain.

    Returns:
        float32 [height, width], 0 (the sixth of the photo that matters least) to 1 (most).

    Raises:
        Busy: all places are taken and the queue is full.
    """
    until = time.perf_counter() + seconds
    blurred = np.asarray(
        Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(pixels.shape[0] / 10))
    )
    height, width = pixels.shape[:2]
    heat = np.zeros((height, width), dtype=np.float32)
    weight = np.full((height, width), 1e-6, dtype=np.float32)
    with gate().enter():
        before = _score(classifier, pixels[None], label)[0]
        for grid in GRIDS:
            masks = _masks(grid, height, width)
            for first in range(0, len(masks), BATCH):
                if grid != GRIDS[0] and time.perf_counter() > until:
                    break
                part = masks[first : first + BATCH]
                covered = pixels + part[..., None] * (blurred.astype(np.float32) - pixels)
                lost = before - _score(classifier, covered.astype(np.uint8), label)
                heat += np.tensordot(np.maximum(lost, 0), part, axes=1)
                weight += part.sum(axis=0)
    heat /= weight
    low, high = np.percentile(heat, (15, 97))
    spread = max(float(high - low), 1e-6)
    return np.asarray(np.clip((heat - low) / spread, 0, 1), dtype=np.float32)


def _score(classifier: Classifier, pixels: Pixels, label: int) -> NDArray[np.float32]:
    """Log-odds of the label, float32 [N]: they still move where probabilities are near 1."""
    probability = np.clip(classifier.engine.run(pixels).probabilities[:, label], 1e-6, 1 - 1e-6)
    return np.asarray(np.log(probability / (1 - probability)), dtype=np.float32)


def _masks(grid: int, height: int, width: int) -> NDArray[np.float32]:
    """Soft patches on a grid: float32 [grid * grid, height, width], 0 to 1."""
    rows = _bumps(grid, height)
    columns = _bumps(grid, width)
    masks: NDArray[np.float32] = rows[:, None, :, None] * columns[None, :, None, :]
    return masks.reshape(-1, height, width)


def _bumps(grid: int, length: int) -> NDArray[np.float32]:
    centres = (np.arange(grid) + 0.5) * length / grid
    distance = np.abs(np.arange(length)[None, :] + 0.5 - centres[:, None])
    reach = length / grid
    return np.clip(1.5 - distance / reach, 0, 1).astype(np.float32)


def spotlight(pixels: Pixels, heat: NDArray[np.float32], side: int = 672) -> Image.Image:
    """The pixels with what matters left bright and the rest dark: readable in any eye.

    Returns:
        RGB, ``side`` pixels high.
    """
    scale = side / pixels.shape[0]
    size = (round(pixels.shape[1] * scale), side)
    picture = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    light = Image.fromarray((heat * 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    dark = picture.convert("L").point(lambda value: value * 0.25).convert("RGB")
    return Image.composite(picture, dark, light)
