"""Weights without a learner: the options for importing them, and the state dict in a file."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, ValidationError

from ...bundle import StrictModel, Threshold
from ...bundle.manifest import PRESENT_FROM
from ...errors import DataError, ExportRefused
from . import printable
from .learner_parts import LearnerParts, check_labels
from .placeholders import full_name
from .tensors import StrangeTensor, Tensor, as_tensor, repeats_numbers
from .transform_table import AUGMENT, TRANSFORMS_MODULE
from .transforms import Step

Stats = tuple[float, float, float]

NORMALIZATIONS: Mapping[str, tuple[Stats, Stats]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
"""Mean and standard deviation by name, of pixels between 0 and 1."""

Method = Literal["crop", "pad", "squish"]

OPTIONS = {
    "--arch": "the network's name in torchvision, timm or fastai, such as resnet34",
    "--labels": "a text file with one label per line, or cat,dog, in the order of dls.vocab",
    "--size": "224, or HEIGHTxWIDTH, as in Resize",
    "--method": "crop, pad or squish, as in Resize; fastai's default is crop",
    "--normalize": "imagenet (as with pretrained weights), none, or MEAN/STD",
}
"""The options, each with the values that it takes."""

UNNEEDED_SETTINGS_MESSAGE = (
    "The file is a learner, which has its own labels and preprocessing. Leave out "
    f"{', '.join(OPTIONS)}, --multilabel and --threshold."
)


def missing_settings_message(missing: tuple[str, ...] = tuple(OPTIONS)) -> str:
    """Return the message that names the missing options and their values."""
    listed = "; ".join(f"{option} ({OPTIONS[option]})" for option in missing)
    return (
        "A file of weights alone needs all options that describe the rest. "
        f"Add {listed}. A file of learn.export() needs none of them."
    )


class WeightsSettings(StrictModel):
    """The owner's description of weights without a learner.

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
    threshold: Threshold = PRESENT_FROM

    @classmethod
    def from_options(
        cls,
        options: Mapping[str, str],
        *,
        multilabel: bool = False,
        threshold: float | None = None,
    ) -> Self | None:
        """Return the settings that options give; None without any.

        ``options`` are their values by name, empty where one wasn't given.

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
        values: dict[str, Any] = {"multilabel": multilabel}
        if threshold is not None:
            values["threshold"] = threshold
        for option, parse in PARSERS.items():
            try:
                values[option.strip("-")] = parse(given[option])
            except (ValueError, ExportRefused) as error:
                message = str(error).rstrip(".")
                raise DataError(f"{option}: {message}. It takes {OPTIONS[option]}.") from None
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            raise DataError(f"--{first['loc'][0]}: {first['msg']}.") from None

    def to_parts(self) -> LearnerParts:
        """Return the parts of a learner with these settings, without its network."""
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
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # too long for a name
        is_file = False
    if is_file:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise ValueError(f"{path} isn't UTF-8 text with one label per line") from None
        # Not splitlines, which also cuts at characters that labels may contain.
        labels = text.removesuffix("\n").split("\n")
    elif "," in value:
        labels = value.split(",")
    else:
        raise ValueError(f"there is no file {path}, and two labels at least are needed")
    return check_labels([label.strip() for label in labels], "Correct the list.")


def _size(value: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,4})(?:\s*[x×,]\s*(\d{1,4}))?", value.strip(), re.ASCII)
    if match:
        height, width = int(match[1]), int(match[2] or match[1])
        if 8 <= height <= 2048 and 8 <= width <= 2048:
            return height, width
    raise ValueError(f"{value!r} isn't a size from 8 to 2048")


def _method(value: str) -> str:
    if value.lower() not in get_args(Method):
        raise ValueError(f"{value!r} isn't a method")
    return value.lower()


def _normalization(value: str) -> tuple[Stats, Stats]:
    if value.lower() in NORMALIZATIONS:
        return NORMALIZATIONS[value.lower()]
    parts = [_channel_stats(part) for part in value.split("/")]
    if len(parts) == 2 and parts[0] and parts[1] and min(parts[1]) > 0:
        return parts[0], parts[1]
    raise ValueError(
        f"{value!r} is neither imagenet, none nor MEAN/STD, such as 0.5,0.5,0.5/0.25,0.25,0.25 "
        "for red, green and blue of pixels between 0 and 1"
    )


def _channel_stats(text: str) -> Stats | None:
    """Return one number per channel; a single number applies to all three."""
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        return None
    numbers *= 3 if len(numbers) == 1 else 1
    if len(numbers) != 3 or not all(-1e3 < number < 1e3 for number in numbers):
        return None
    return numbers[0], numbers[1], numbers[2]


PARSERS: Mapping[str, Callable[[str], Any]] = {
    "--arch": str,
    "--labels": _labels,
    "--size": _size,
    "--method": _method,
    "--normalize": _normalization,
}


WRAPPERS = ("model", "state_dict", "model_state_dict")
"""Keys under which checkpoints keep the weights; the first is fastai's."""

PARALLEL = "module."
"""Prefix of every name if the network was trained on several GPUs."""

MAX_TENSORS = 50_000
MAX_NAME = 500

HEAD = re.compile(r"(1|fc|heads?|last_linear|classifier)\.")
"""Prefixes of the names of a network's last layers."""


@dataclass(frozen=True)
class StateDict:
    """Tensors by name, in the order of the file, and the names of the file's other entries."""

    tensors: Mapping[str, Tensor]
    unneeded: tuple[str, ...] = ()

    @property
    def outputs(self) -> int:
        """Rows of the last linear layer, as far as names tell; 0 if none was found."""
        matrices = [name for name, tensor in self.tensors.items() if len(tensor.shape) == 2]
        last = [name for name in matrices if HEAD.match(name)] or matrices
        return self.tensors[last[-1]].shape[0] if last else 0


def read_state_dict(root: Any) -> StateDict | None:
    """Return the weights of a file that holds nothing else; None if it is something else.

    Raises:
        ExportRefused: a tensor is invalid.
    """
    if not isinstance(root, dict):
        return None
    key = next((key for key in WRAPPERS if isinstance(root.get(key), dict)), None)
    values = root if key is None else root[key]
    if not values or not all(isinstance(name, str) for name in values):
        return None
    if len(values) > MAX_TENSORS or max(map(len, values)) > MAX_NAME:
        return None
    tensors = {name: _tensor(name, value) for name, value in values.items()}
    known = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    if len(known) < len(tensors):
        return None
    if repeats_numbers(known.values()):
        raise ExportRefused(
            "Its weights claim far more numbers than the file holds. Do not load it; ask its "
            "author for the file."
        )
    if all(name.startswith(PARALLEL) for name in known):
        known = {name.removeprefix(PARALLEL): tensor for name, tensor in known.items()}
    others = () if key is None else tuple(_named(name) for name in root if name != key)
    return StateDict(known, others)


def _tensor(name: str, value: Any) -> Tensor | None:
    try:
        return value if isinstance(value, Tensor) else as_tensor(value)
    except StrangeTensor as error:
        raise ExportRefused(
            f"Its weights {printable(name)} can't be read: {error}. Copy or download the file "
            "again; if that doesn't help, ask its author for it."
        ) from None


def _named(name: Any) -> str:
    if not isinstance(name, str):
        return full_name(name)
    return "state of the optimizer" if name == "opt" else f"entry {printable(name)}"


def describe_weights(state: StateDict) -> tuple[str, ...]:
    """Describe weights, and what the file lacks, one sentence each."""
    numbers = sum(tensor.count for tensor in state.tensors.values())
    sentences = [f"It holds {len(state.tensors):,} tensors with {numbers:,} numbers."]
    if {name.partition(".")[0] for name in state.tensors} == {"0", "1"}:
        sentences.append("They are named as in vision_learner's networks: a body and a head.")
    if state.outputs:
        sentences.append(f"Its last layer seems to have {state.outputs:,} outputs: one per label.")
    sentences.append("The network's name, its labels and its preprocessing aren't in the file.")
    return tuple(sentences)
