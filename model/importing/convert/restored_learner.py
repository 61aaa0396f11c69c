"""A learner rebuilt from an export or a state dict: its transforms, network and report."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from ...words import WORDS
from ..inspect.container import open_export
from ..inspect.learner import read_learner
from .fastai_pipeline import FastaiPipeline
from .network_builder import Weights
from .network_name import named_network, unnamed
from .recipe import GraphInput, read_recipe
from .reference import count_features
from .restored_network import channels_of, restore_network
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

    ``made_by`` is the name that the network was made by, or nothing. ``pipeline`` holds fastai's
    own transforms, ``steps`` what a bundle does in their place. ``threshold`` is the probability
    from which a label counts where each has its own.
    """

    labels: tuple[str, ...]
    multilabel: bool
    made_by: str
    pipeline: FastaiPipeline
    steps: GraphInput
    model: nn.Module
    threshold: float = WORDS["present_from"]

    @property
    def rgb_model(self) -> nn.Module:
        """The network for images of three channels."""
        if channels_of(self.model) == 3:
            return self.model
        return nn.Sequential(FirstChannel(), self.model).eval()

    def report(self) -> WorkerReport:
        """Return the report for the manifest; the network is run to find its features and name.

        Raises:
            ExportRefused: the network's outputs don't fit the labels, or aren't numbers.
        """
        mean, std = self.steps.mean, self.steps.std
        report = WorkerReport(
            labels=self.labels,
            multilabel=self.multilabel,
            # Absent where it's the usual one, as in bundles from before there were others.
            threshold=None if self.threshold == WORDS["present_from"] else self.threshold,
            recipe=self.steps.recipe,
            architecture=unnamed(self.model, 1, mean, std),
            learner=False,
        )
        features = count_features(self.rgb_model, report, self.steps)
        architecture = report.architecture.model_copy(update={"features": features})
        report = report.model_copy(update={"architecture": architecture})
        if self.steps.scale is not None or self.steps.recipe.greyscale:
            return report
        return named_network(self.model, self.made_by, report)


def restore_learner(path: Path, *, trust: bool = False) -> RestoredLearner:
    """Rebuild the learner of an export.

    Args:
        path: the export.
        trust: unpickle the network if it has classes of its own, which runs their code.

    Raises:
        ExportRefused: a part can't be read, rebuilt or reproduced.
    """
    with open_export(path) as export:
        parts = read_learner(export.root)
        weights = Weights(export.read_storage)
        pipeline = FastaiPipeline.from_parts(parts, weights)
        steps = read_recipe(pipeline)
        size = steps.recipe.graph_size or steps.recipe.size
        trusted = path if trust else None
        model = restore_network(
            parts.network, weights, size, greyscale=parts.greyscale, trusted=trusted
        )
    return RestoredLearner(
        parts.labels,
        parts.loss == "sigmoid",
        parts.architecture,
        pipeline,
        steps,
        model,
        parts.threshold,
    )
