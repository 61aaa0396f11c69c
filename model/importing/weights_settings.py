"""The options for importing weights without a learner: network, labels, preprocessing."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, cast, get_args

from pydantic import Field, ValidationError

from ..bundle import StrictModel, Threshold
from ..errors import DataError, ExportRefused
from ..words import WORDS
from .inspect.learner import LearnerParts, check_labels
from .inspect.transform_table import AUGMENT, TRANSFORMS_MODULE
from .inspect.transforms import Step

__all__ = [
    "OPTIONS",
    "UNNEEDED_SETTINGS_MESSAGE",
    "WeightsSettings",
    "missing_settings_message",
]

Stats = tuple[float, float, float]

NORMALIZATIONS: Mapping[str, tuple[Stats, Stats]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
"""Mean and standard deviation by name, of pixels between 0 and 1."""

Method = Literal["crop", "pad", "squish"]

MAX_LABELS_FILE = 2**24
"""Bytes of a file of labels."""

OPTIONS = {
    "--arch": "the network's name in torchvision, timm or fastai, such as resnet34",
    "--labels": "a text file with one label per line, or cat,dog, in the order of dls.vocab",
    "--size": "224, or HEIGHTxWIDTH, as in Resize",
    "--method": "crop, pad or squish, as in Resize; fastai's default is crop",
    "--normalize": "imagenet (as with pretrained weights), none, or MEAN/STD",
}
"""The options, and what each takes."""

UNNEEDED_SETTINGS_MESSAGE = (
    "The file is a learner, which has its own labels and preprocessing. Leave out "
    f"{', '.join(OPTIONS)}, --multilabel and --threshold."
)


def missing_settings_message(missing: tuple[str, ...] = tuple(OPTIONS)) -> str:
    """Return the sentence that names the missing options, and what each takes."""
    listed = "; ".join(f"{option} ({OPTIONS[option]})" for option in missing)
    if len(missing) < len(OPTIONS):
        return (
            f"A file of weights alone needs all options that describe it. Add {listed}. A file of "
            "learn.export() needs none of them."
        )
    return f"The file holds weights alone, so the rest has to be given. Add {listed}."


class WeightsSettings(StrictModel):
    """What ``import`` is told about weights without a learner.

    ``size`` is (height, width). ``normalize`` is the mean and standard deviation of the three
    channels of pixels between 0 and 1. ``multilabel`` is true if each label has a probability
    of its own, and ``threshold`` is the one from which it is shown.
    """

    arch: Annotated[str, Field(min_length=1, max_length=100)]
    labels: Annotated[tuple[str, ...], Field(min_length=1, max_length=100_000)]
    size: tuple[int, int]
    method: Method
    normalize: tuple[Stats, Stats]
    multilabel: bool = False
    threshold: Threshold = WORDS["present_from"]

    @classmethod
    def from_options(
        cls,
        options: Mapping[str, str],
        *,
        multilabel: bool = False,
        threshold: float | None = None,
    ) -> Self | None:
        """Return the settings that options give; None without any.

        Args:
            options: their values by name, empty where one wasn't given.
            multilabel: whether each label has a probability of its own.
            threshold: the probability from which a label is shown; None for the usual one.

        Raises:
            ExportRefused: some are given and others missing.
            DataError: a value can't be read, or is too long.
        """
        given = {name: value for name, value in options.items() if value}
        if not given and not multilabel and threshold is None:
            return None
        if missing := tuple(name for name in OPTIONS if name not in given):
            raise ExportRefused(missing_settings_message(missing))
        if threshold is not None and not multilabel:
            raise DataError(
                "--threshold: only models with several labels per photo (--multilabel) have one."
            )
        try:
            return cls(
                arch=given["--arch"],
                labels=_labels(given["--labels"]),
                size=_size(given["--size"]),
                method=_method(given["--method"]),
                normalize=_normalization(given["--normalize"]),
                multilabel=multilabel,
                threshold=WORDS["present_from"] if threshold is None else threshold,
            )
        except ValidationError as error:
            first = error.errors()[0]
            raise DataError(f"--{first['loc'][0]}: {first['msg']}.") from None

    def to_parts(self) -> LearnerParts:
        """Return what ``read_learner`` would of an export with these settings, but its network."""
        mean, std = self.normalize
        return LearnerParts(
            network=None,
            architecture=self.arch,
            labels=self.labels,
            loss="sigmoid" if self.multilabel else "softmax",
            threshold=self.threshold,
            items=(
                Step.of(f"{AUGMENT}.Resize", size=self.size, method=self.method),
                Step.of(f"{TRANSFORMS_MODULE}.ToTensor"),
            ),
            batches=(
                Step.of(f"{TRANSFORMS_MODULE}.IntToFloatTensor"),
                Step.of(f"{TRANSFORMS_MODULE}.Normalize", mean=mean, std=std),
            ),
            callbacks=(),
            unneeded=(),
        )


def _labels(value: str) -> tuple[str, ...]:
    """Return the labels: the lines of a file, or comma-separated text."""
    path = Path(value)
    if "," not in value or _is_file(path):
        text = _read(path)
        # Not splitlines, which also cuts at characters that labels may contain.
        labels = re.split(r"\r?\n", text.removesuffix("\n").removesuffix("\r"))
    else:
        labels = value.split(",")
    try:
        return check_labels([label.strip() for label in labels], "Correct the list.")
    except ExportRefused as error:
        raise DataError(f"--labels: {error}") from None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a name
        return False


def _read(path: Path) -> str:
    if not _is_file(path):
        raise DataError(
            f"--labels: there is no file {path}. It takes {OPTIONS['--labels']}; two labels "
            "at least."
        )
    with path.open("rb") as file:
        data = file.read(MAX_LABELS_FILE + 1)
    if len(data) > MAX_LABELS_FILE:
        raise DataError(f"--labels: {path} is larger than {MAX_LABELS_FILE >> 20} MB.")
    try:
        return data.decode("utf-8-sig")
    except ValueError:
        raise DataError(f"--labels: {path} isn't UTF-8 text with one label per line.") from None


def _size(value: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,4})(?:\s*[x×,]\s*(\d{1,4}))?", value.strip(), re.ASCII)
    if found:
        height, width = int(found[1]), int(found[2] or found[1])
        if 8 <= height <= 2048 and 8 <= width <= 2048:
            return height, width
    raise DataError(
        f"--size: {value!r} isn't a size. It takes {OPTIONS['--size']}, each from 8 to 2048."
    )


def _method(value: str) -> Method:
    if value.lower() not in get_args(Method):
        raise DataError(f"--method: {value!r} isn't a method. It takes {OPTIONS['--method']}.")
    return cast(Method, value.lower())


def _normalization(value: str) -> tuple[Stats, Stats]:
    if value.lower() in NORMALIZATIONS:
        return NORMALIZATIONS[value.lower()]
    parts = [_channel_stats(part) for part in value.split("/")]
    if len(parts) == 2 and parts[0] and parts[1] and min(parts[1]) > 0:
        return parts[0], parts[1]
    raise DataError(
        f"--normalize: {value!r} is neither imagenet, none nor MEAN/STD. For example "
        "0.5,0.5,0.5/0.25,0.25,0.25: red, green and blue of pixels between 0 and 1."
    )


def _channel_stats(text: str) -> Stats | None:
    """Return one number per channel; a single number stands for all three."""
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        return None
    numbers *= 3 if len(numbers) == 1 else 1
    if len(numbers) != 3 or not all(-1e3 < number < 1e3 for number in numbers):
        return None
    return numbers[0], numbers[1], numbers[2]
