"""Why: which parts of a photo an answer rests on, by covering them in turn.

Works with every engine alike, because it only asks for answers.
Source: occlusion sensitivity (Zeiler and Fergus, Visualizing and Understanding
Convolutional Networks, 2014), with blurred patches instead of grey ones.
"""

import math
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .admission import admission_queue
from .classifier import Classifier
from .preprocess import Pixels

__all__ = ["occlusion_map", "render_overlay"]

GRIDS = (5, 7, 9)
SECONDS = 0.7


def occlusion_map(
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
    plain = pixels.astype(np.float32)
    blur = ImageFilter.GaussianBlur(pixels.shape[0] / 10)
    cover = np.asarray(Image.fromarray(pixels).filter(blur), dtype=np.float32) - plain
    heat = np.zeros(pixels.shape[:2], dtype=np.float32)
    weight = np.full(pixels.shape[:2], 1e-6, dtype=np.float32)
    with admission_queue().acquire():
        before = _score(classifier, pixels, label)
        # One by one: a batch is no faster on few cores, and its memory stays taken.
        for grid in GRIDS:
            for mask in _masks(grid, *pixels.shape[:2]):
                if grid != GRIDS[0] and time.perf_counter() > until:
                    break
                covered = (plain + mask[..., None] * cover).astype(np.uint8)
                heat += max(0.0, before - _score(classifier, covered, label)) * mask
                weight += mask
    heat /= weight
    low, high = np.percentile(heat, (15, 97))
    spread = max(float(high - low), 1e-6)
    return np.asarray(np.clip((heat - low) / spread, 0, 1), dtype=np.float32)


def _score(classifier: Classifier, pixels: Pixels, label: int) -> float:
    """Log-odds of the label: they still move where probabilities are near 1."""
    probability = float(classifier.engine.run(pixels[None]).probabilities[0, label])
    probability = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(probability / (1 - probability))


def _masks(grid: int, height: int, width: int) -> Iterator[NDArray[np.float32]]:
    """Soft patches on a grid, float32 [height, width], 0 to 1.

    In a fixed mixed order: when time runs out, what is missing is spread out.
    """
    rows, columns = _bumps(grid, height), _bumps(grid, width)
    for place in np.random.default_rng(0).permutation(grid * grid):
        yield np.outer(rows[place // grid], columns[place % grid])


def _bumps(grid: int, length: int) -> NDArray[np.float32]:
    centres = (np.arange(grid) + 0.5) * length / grid
    distance = np.abs(np.arange(length)[None, :] + 0.5 - centres[:, None])
    reach = length / grid
    return np.clip(1.5 - distance / reach, 0, 1).astype(np.float32)


def render_overlay(pixels: Pixels, heat: NDArray[np.float32], side: int = 672) -> Image.Image:
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
