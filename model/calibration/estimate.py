"""Estimate a temperature from photos that a network has probably been trained on.

On such photos a network is right too often, and its temperature comes out wrong. Here they are
made harder, by crops, light and the like, until the network is right as often as was published
for photos that it had never seen. The temperature is fitted there, for several ways of making
photos harder: their range shows how far the estimate can be trusted.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from ..events import SILENT, Progress
from ..preprocess import PreprocessConfig, preprocess
from .fit import fit_temperature
from .graph_outputs import GraphOutputs, Run, run_graph

Alter = Callable[[Image.Image, float, Generator], Image.Image]
"""Function from a photo, a strength from 0 to 1 and a random generator to a harder photo."""

STRENGTHS: Final = (0.25, 0.5, 0.75, 1.0)
SEEDS: Final = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class TemperatureEstimate:
    """The median temperature, and ``by_alteration`` what each way of making photos harder gave.

    ``unaltered`` are the graph's outputs for the photos as they are.
    """

    temperature: float
    by_alteration: Mapping[str, float]
    unaltered: GraphOutputs

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest temperature."""
        values = self.by_alteration.values()
        return min(values), max(values)


def estimate_temperature(
    run: Run,
    photos: Sequence[Image.Image],
    targets: Sequence[int],
    config: PreprocessConfig,
    accuracy: float,
    stage: str = "Estimating",
    progress: Progress = SILENT,
) -> TemperatureEstimate:
    """Estimate the temperature for photos on which the network is right as often as published.

    Args:
        photos: upright RGB, at least two.
        accuracy: published share of unseen photos that the network labels correctly.

    Raises:
        ValueError: no alteration brings the accuracy down to ``accuracy``.
    """
    total = 1 + len(ALTERATIONS) * len(STRENGTHS) * len(SEEDS)
    steps = iter(range(1, total + 1))

    def measure(alter: Alter, strength: float, seed: int) -> GraphOutputs:
        random = np.random.default_rng(seed)
        altered = (preprocess(alter(photo, strength, random), config) for photo in photos)
        outputs = run_graph(run, altered, targets)
        progress.update(stage, next(steps), total)
        return outputs

    unaltered = measure(lambda photo, _strength, _random: photo, 0, 0)
    temperatures: dict[str, float] = {}
    for name, alter in ALTERATIONS.items():
        above = _summarise([unaltered])
        for strength in STRENGTHS:
            below = _summarise([measure(alter, strength, seed) for seed in SEEDS])
            if below[0] <= accuracy:
                # Between two strengths of the alteration.
                accuracies, logarithms = map(list, zip(below, above, strict=True))
                temperatures[name] = math.exp(np.interp(accuracy, accuracies, logarithms))
                break
            above = below
    if not temperatures:
        raise ValueError(f"the network is still right on more than {accuracy:.1%} of the photos")
    return TemperatureEstimate(median(temperatures.values()), temperatures, unaltered)


def _summarise(passes: Sequence[GraphOutputs]) -> tuple[float, float]:
    """Return the mean accuracy, and the mean natural logarithm of the temperature."""
    accuracies = [float((one.predicted == one.targets).mean()) for one in passes]
    logarithms = [math.log(fit_temperature(one.logits, one.targets)) for one in passes]
    return fmean(accuracies), fmean(logarithms)


def _crop(photo: Image.Image, strength: float, random: Generator) -> Image.Image:
    """Cut out a random part of 1 to 0.1 times the area, up to a third wider or higher."""
    area = photo.width * photo.height * random.uniform(1 - 0.9 * strength, 1 - 0.6 * strength)
    ratio = math.exp(random.uniform(-1, 1) * math.log(4 / 3))
    width = max(1, min(photo.width, round(math.sqrt(area * ratio))))
    height = max(1, min(photo.height, round(math.sqrt(area / ratio))))
    left = int(random.integers(photo.width - width + 1))
    top = int(random.integers(photo.height - height + 1))
    return photo.crop((left, top, left + width, top + height))


def _relight(photo: Image.Image, strength: float, random: Generator) -> Image.Image:
    """Change brightness, contrast and colour up to sixfold."""
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        factor = math.exp(random.uniform(-1.8, 1.8) * strength)
        photo = enhancer(photo).enhance(factor)
    return photo


def _crop_and_relight(photo: Image.Image, strength: float, random: Generator) -> Image.Image:
    return _relight(_crop(photo, 0.8 * strength, random), 0.5 * strength, random)


def _step_back(photo: Image.Image, strength: float, _random: Generator) -> Image.Image:
    """Show the photo smaller, in the middle of its own mirror image."""
    edge = round(strength * 0.9 * min(photo.size))
    return Image.fromarray(_mirrored(photo, edge))


def _turn(photo: Image.Image, strength: float, random: Generator) -> Image.Image:
    """Turn the photo by 30 to 90 degrees at full strength."""
    edge = min(photo.size) // 2
    angle = random.choice([-1, 1]) * random.uniform(30, 90) * strength
    turned = Image.fromarray(_mirrored(photo, edge)).rotate(angle, Image.Resampling.BICUBIC)
    return turned.crop((edge, edge, edge + photo.width, edge + photo.height))


def _blur(photo: Image.Image, strength: float, _random: Generator) -> Image.Image:
    return photo.filter(ImageFilter.GaussianBlur(strength * min(photo.size) / 75))


def _mirrored(photo: Image.Image, edge: int) -> NDArray[np.uint8]:
    """Return a photo's pixels with ``edge`` mirrored ones on each side, fewer than its own."""
    return np.pad(np.asarray(photo), ((edge, edge), (edge, edge), (0, 0)), mode="reflect")


ALTERATIONS: Final[Mapping[str, Alter]] = {
    "crops": _crop,
    "light": _relight,
    "crops and light": _crop_and_relight,
    "distance": _step_back,
    "tilt": _turn,
    "blur": _blur,
}
