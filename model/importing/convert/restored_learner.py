"""A learner rebuilt from an export or from weights: its transforms, network and report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ...errors import ExportRefused
from ..inspect.container import open_export
from ..inspect.learner import LearnerParts, read_learner
from ..inspect.weights import read_state_dict
from ..weights_settings import WeightsSettings
from .fastai_pipeline import FastaiPipeline
from .network_builder import Weights
from .network_name import NetworkName, find_name, names_in_export, unnamed
from .recipe import GraphInput, read_recipe
from .reference import count_features
from .restored_network import channels_of, restore_network
from .stated_network import load_stated_network
from .worker_report import WorkerReport

__all__ = ["RestoredLearner", "restore_learner"]


class FirstChannel(nn.Module):
    """Keeps the first of three equal channels: [N, 3, height, width] → [N, 1, height, width]."""

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        return images[:, :1]


@dataclass(frozen=True)
class RestoredLearner:
    """The parts of a learner that inference needs.

    ``pipeline`` holds fastai's own transforms, ``steps`` a bundle's equivalent of them.
    ``name`` is the network's name, if it was built by name.
    """

    parts: LearnerParts
    pipeline: FastaiPipeline
    steps: GraphInput
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
        mean, std = self.steps.mean, self.steps.std
        architecture = unnamed(self.model, mean, std)
        report = WorkerReport.of(self.parts, self.steps.recipe, architecture)
        features = count_features(self.rgb_model, report, self.steps)
        report = report.with_architecture(features=features)
        if self.steps.scale is not None or self.steps.recipe.greyscale:
            return report
        if self.name:
            return find_name(self.model, [self.name], report)
        names = names_in_export(self.model, self.parts.architecture, len(report.labels))
        return find_name(self.model, names, report)


def restore_learner(
    path: Path, settings: WeightsSettings | None = None, *, trust: bool = False
) -> RestoredLearner:
    """Rebuild the learner of an export, or of weights.

    Args:
        path: the file.
        settings: the description of a file of weights; None for an export.
        trust: unpickle the network if it has classes of its own, which runs their code.

    Raises:
        ExportRefused: a part can't be read, rebuilt or reproduced.
    """
    name = None
    with open_export(path) as export:
        parts = settings.to_parts() if settings else read_learner(export.root)
        weights = Weights(export.read_storage)
        pipeline = FastaiPipeline.from_parts(parts, weights)
        steps = read_recipe(pipeline)
        if settings:
            model, name = load_stated_network(_tensors(export.root, weights), parts, steps)
        else:
            size = steps.recipe.graph_size or steps.recipe.size
            trusted = path if trust else None
            model = restore_network(
                parts.network, weights, size, greyscale=parts.greyscale, trusted=trusted
            )
    return RestoredLearner(parts, pipeline, steps, model, name)


def _tensors(root: Any, weights: Weights) -> dict[str, Tensor]:
    """Return the tensors of a state dict by name."""
    state = read_state_dict(root)
    if state is None:
        raise ExportRefused("The file isn't a state dict.")
    return {name: weights.tensor(tensor) for name, tensor in state.tensors.items()}
