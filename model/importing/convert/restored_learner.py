"""A learner rebuilt from an export or from weights: its transforms, network and report.

The steps of an export become real fastai transforms, and the preprocessing that equals them.
"""

import importlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...bundle import Architecture
from ...bundle.manifest import PRESENT_FROM
from ...errors import ExportRefused
from ...learner.inference_module import InferenceModule
from ...preprocess import PreprocessConfig
from ..inspect import printable
from ..inspect.container import ExportFile, open_export
from ..inspect.learner_parts import LearnerParts, read_learner
from ..inspect.tensors import Tensor
from ..inspect.transform_table import TRANSFORMS
from ..inspect.transforms import Step, fold
from ..inspect.weights import WeightsSettings, read_state_dict
from .named_network import NetworkName, confirm_name, load_named, name_in_export
from .network_builder import Weights, channels_of, check_runs, restore_network
from .worker_report import WorkerReport

Stats = tuple[float, float, float]


@dataclass(frozen=True)
class FastaiPipeline:
    """fastai's own transforms at validation, and a bundle's equivalent of them.

    ``items`` are the transforms of a photo, ``batches`` those of a batch. A bundle does the same
    by ``recipe``, then ``mean`` and ``std`` of pixels between 0 and 1.
    """

    items: tuple[Any, ...]
    batches: tuple[Any, ...]
    recipe: PreprocessConfig
    mean: Stats
    std: Stats

    @classmethod
    def from_parts(cls, parts: LearnerParts, weights: Weights) -> "FastaiPipeline":
        """Return the transforms with the settings that were read.

        Raises:
            ExportRefused: a step can't be reproduced, or fastai refuses a setting.
        """
        items, batches = _with_tensors(parts.items, weights), _with_tensors(parts.batches, weights)
        steps = fold(items, batches)
        return cls(
            tuple(map(_transform, items)),
            tuple(map(_transform, batches)),
            PreprocessConfig.model_validate({**steps.recipe, "greyscale": parts.greyscale}),
            _stats(steps.mean),
            _stats(steps.std),
        )

    def batch(self, photo: Path) -> torch.Tensor:
        """Return the network's input for a photo: float32 [1, channels, height, width].

        Photos in greyscale have one channel.

        Source: fastai's ``learn.predict``.
        """
        from fastai.vision.core import PILImage, PILImageBW

        item: Any = (PILImageBW if self.recipe.greyscale else PILImage).create(photo)
        for transform in self.items:
            item = transform(item, split_idx=1)
        batch: Any = item[None]
        for transform in self.batches:
            batch = transform(batch, split_idx=1)
        return torch.Tensor(batch).as_subclass(torch.Tensor)


def _stats(array: NDArray[np.float64]) -> Stats:
    # Round to float32, as stored: 0.485.
    first, second, third = (float(str(np.float32(number))) for number in array)
    return first, second, third


def _with_tensors(steps: Iterable[Step], weights: Weights) -> list[Step]:
    """Return steps whose settings are tensors of torch where they were tensors of the file."""
    return [
        Step(
            step.name, {key: _setting(key, value, weights) for key, value in step.settings.items()}
        )
        for step in steps
    ]


def _setting(key: str, value: Any, weights: Weights) -> Any:
    if key in ("mean", "std") and isinstance(value, tuple):  # from --normalize
        return torch.tensor(value).view(1, -1, 1, 1)
    return weights.tensor(value) if isinstance(value, Tensor) else value


def _transform(step: Step) -> Any:
    """Return fastai's transform for a step."""
    row = TRANSFORMS[step.name]
    module, _, name = (row.built_as or step.name).rpartition(".")
    make = getattr(importlib.import_module(module), name)
    try:
        return make(**row.arguments(step.settings))
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise ExportRefused(f"fastai refuses the settings of its {name}: {error}.") from None


MAX_FEATURES = 100_000


class FirstChannel(nn.Module):
    """Keeps the first of three equal channels: [N, 3, height, width] → [N, 1, height, width]."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return images[:, :1]


@dataclass(frozen=True)
class RestoredLearner:
    """The parts of a learner that inference needs.

    ``name`` is the network's name, if it was built by name.
    """

    parts: LearnerParts
    pipeline: FastaiPipeline
    model: nn.Module
    name: NetworkName | None = None

    @property
    def rgb_model(self) -> nn.Module:
        """The network for images of three channels."""
        if channels_of(self.model) == 3:
            return self.model
        return nn.Sequential(FirstChannel(), self.model).eval()

    def report(self) -> WorkerReport:
        """Return the report for the manifest; run the network to find its features and name.

        Raises:
            ExportRefused: the network's outputs don't fit the labels, or aren't numbers.
        """
        report = _unnamed_report(self.parts, self.pipeline, self.model)
        report = report.with_architecture(features=self._count_features(report))
        name = self.name or name_in_export(self.model, self.parts.architecture)
        if name is None or report.recipe.greyscale:
            return report
        return confirm_name(self.model, name, report)

    def _count_features(self, report: WorkerReport) -> int:
        """Run the network once, and return its number of features."""
        height, width = report.recipe.size
        generator = torch.Generator().manual_seed(0)
        shape: tuple[int, ...] = (2, height, width, 3)
        pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        module = InferenceModule.from_model(self.rgb_model, report.draft()).eval()
        with torch.inference_mode():
            logits, features, _ = module(pixels)
        if not isinstance(logits, torch.Tensor) or logits.shape != (2, len(report.labels)):
            shape = tuple(getattr(logits, "shape", ()))
            raise ExportRefused(
                f"Its network's output for two photos has the shape {shape}, which doesn't fit its "
                f"{len(report.labels)} labels."
            )
        if not torch.isfinite(logits).all():
            raise ExportRefused("Its network's output is infinite or NaN: its training failed.")
        if features.ndim != 2 or not 1 <= features.shape[1] <= MAX_FEATURES:
            raise ExportRefused(
                f"The input of its last linear layer has the shape {tuple(features.shape)} for two "
                f"photos, and Loupe takes up to {MAX_FEATURES:,} numbers per photo."
            )
        return int(features.shape[1])

    def predict(self, photos: Sequence[Path]) -> NDArray[np.float32]:
        """Return the probabilities behind fastai's own transforms: float32 [photos, labels].

        Source: fastai's ``learn.predict``.
        """
        rows = []
        with torch.inference_mode():
            for photo in photos:
                logits = self.model(self.pipeline.batch(photo)).as_subclass(torch.Tensor)
                is_sigmoid = self.parts.loss == "sigmoid"
                probabilities = logits.sigmoid() if is_sigmoid else logits.softmax(dim=1)
                rows.append(np.asarray(probabilities[0], dtype=np.float32))
        return np.stack(rows)


def restore_learner(
    path: Path, settings: WeightsSettings | None = None, *, trust: bool = False
) -> RestoredLearner:
    """Rebuild the learner of an export, or of weights that ``settings`` describe.

    With ``trust``, a network with classes of its own is unpickled, which runs their code.

    Raises:
        ExportRefused: a part can't be read, rebuilt or reproduced.
    """
    with open_export(path) as export:
        parts = settings.to_parts() if settings else read_learner(export.root)
        weights = Weights(export.read_storage)
        pipeline = FastaiPipeline.from_parts(parts, weights)
        if settings:
            model, name = _load_weights(export, parts, pipeline, weights)
            return RestoredLearner(parts, pipeline, model, name)
        report = _unnamed_report(parts, pipeline, nn.Identity())
        model = restore_network(parts.network, weights, report, path if trust else None)
        return RestoredLearner(parts, pipeline, model)


def _load_weights(
    export: ExportFile, parts: LearnerParts, pipeline: FastaiPipeline, weights: Weights
) -> tuple[nn.Module, NetworkName]:
    """Return the network that weights alone fit, and its name."""
    state = read_state_dict(export.root)
    if state is None:
        raise ExportRefused("The file isn't a state dict.")
    tensors = {name: weights.tensor(tensor) for name, tensor in state.tensors.items()}
    report = _unnamed_report(parts, pipeline, nn.Identity())
    model, name = load_named(parts.architecture, tensors, state.outputs, report)
    # Many transformers take one size only.
    advice = "Give the --size that it was trained with."
    check_runs(model, pipeline.recipe.size, printable(parts.architecture), advice)
    return model, name


def _unnamed_report(
    parts: LearnerParts, pipeline: FastaiPipeline, model: nn.Module
) -> WorkerReport:
    """Return the report on a learner whose network is known by its graph alone."""
    body = next(model.children(), model) if type(model) is nn.Sequential else model
    is_usual = parts.threshold == PRESENT_FROM
    return WorkerReport(
        labels=parts.labels,
        multilabel=parts.loss == "sigmoid",
        # Absent for the default, as in bundles that are older than the setting.
        threshold=None if is_usual else parts.threshold,
        recipe=pipeline.recipe,
        architecture=Architecture(
            library="custom",
            body=re.sub(r"\W", "_", type(body).__name__, flags=re.ASCII)[:100] or "network",
            head="custom",
            features=1,
            parameters=max(1, sum(part.numel() for part in model.parameters())),
            mean=pipeline.mean,
            std=pipeline.std,
        ),
        learner=False,
    )
