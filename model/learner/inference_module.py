"""The module that both engines run: everything after the pixels, in one place."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..bundle import ManifestDraft

__all__ = ["InferenceModule", "Scale"]

Stats = tuple[float, float, float]


class InferenceModule(nn.Module):
    """Pixels in, answers out: scaling, normalisation, network, temperature, probabilities.

    Takes ``pixels`` uint8 [N, height, width, 3]; returns float32 ``logits``
    [N, labels], ``features`` [N, D] and ``probabilities`` [N, labels].
    """

    def __init__(
        self,
        network: "FeatureSplit | HookedNetwork",
        mean: Stats,
        std: Stats,
        temperature: float = 1.0,
        multilabel: bool = False,
        scale: "Scale | None" = None,
    ) -> None:
        super().__init__()
        self.network, self.scale = network, scale
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        self.temperature, self.multilabel = temperature, multilabel

    @classmethod
    def around(
        cls, model: nn.Module, manifest: ManifestDraft, scale: "Scale | None" = None
    ) -> "InferenceModule":
        """Wrap a fastai model.

        Of ``Sequential(body, head)`` whose head ends in a linear layer the features
        are what that layer gets; of any other, what the linear layer gets that runs last.

        Args:
            scale: where the recipe cannot say how the graph scales its pixels.
        """
        recipe = manifest.recipe
        if scale is None and recipe.inside:
            scale = Scale.between(recipe.size, recipe.inside)
        return cls(
            _split(model) or HookedNetwork(model, recipe.inside or recipe.size),
            manifest.architecture.mean,
            manifest.architecture.std,
            manifest.calibration.temperature if manifest.calibration else 1.0,
            manifest.multilabel,
            scale,
        )

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        images = pixels.permute(0, 3, 1, 2).float() / 255
        if self.scale is not None:
            images = self.scale(images)
        logits, features = self.network((images - cast(Tensor, self.mean)) / cast(Tensor, self.std))
        calibrated = logits / self.temperature
        probabilities = calibrated.sigmoid() if self.multilabel else calibrated.softmax(dim=1)
        return logits, features, probabilities


class FeatureSplit(nn.Module):
    """A network whose last layer is linear: images → its logits and what it gets."""

    def __init__(self, features: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.features, self.classifier = features, classifier

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        features = self.features(images)
        return self.classifier(features), features


class HookedNetwork(nn.Module):
    """A network of any shape: images → its logits and what its last linear layer gets.

    Without a linear layer the logits stand for the features. Not for several
    threads at once: the layer is listened to while it runs.
    """

    def __init__(self, model: nn.Module, size: tuple[int, int]) -> None:
        super().__init__()
        self.model = model
        self.last = _last_linear(model, size)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        if self.last is None:
            logits = self.model(images)
            return logits, logits
        # A list and no attribute: torch.export lets no module keep a tensor.
        given: list[Tensor] = []
        hook = self.last.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
        try:
            logits = self.model(images)
        finally:
            hook.remove()
        return logits, given[-1]


class Scale(nn.Module):
    """Images scaled within the graph, one axis after the other.

    Takes and returns float32 [N, 3, height, width]. ``rows`` [new height, height]
    and ``columns`` [new width, width] hold how much of each pixel goes into each.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, rows: Tensor, columns: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", rows.contiguous())
        self.register_buffer("columns", columns.contiguous())

    @classmethod
    def between(cls, size: tuple[int, int], inside: tuple[int, int]) -> "Scale":
        """From ``size`` to ``inside`` (height, width) as fastai's batch transforms do.

        Source: fastai's ``_grid_sample``: bilinear between the centres of the outer
        pixels; where both sides shrink to less than half, areas are averaged first.
        """
        shrink = min(old / new for old, new in zip(size, inside, strict=True)) / 2
        axes = []
        for old, new in zip(size, inside, strict=True):
            lines = torch.eye(old)[None]
            if shrink > 1:
                lines = functional.adaptive_avg_pool1d(lines, math.floor(old * (1 / shrink)))
            lines = functional.interpolate(lines, size=new, mode="linear", align_corners=True)
            axes.append(lines[0].T)
        return cls(*axes)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        return self.rows @ images @ self.columns.T


def _split(model: nn.Module) -> FeatureSplit | None:
    """The model as features and a linear layer, if it is built that way."""
    # Only the plain class runs its parts one after the other and nothing else.
    if type(model) is not nn.Sequential or len(model) != 2:
        return None
    body, head = model
    if type(head) is not nn.Sequential or not len(head) or not isinstance(head[-1], nn.Linear):
        return None
    return FeatureSplit(nn.Sequential(body, *list(head)[:-1]), head[-1])


def _last_linear(model: nn.Module, size: tuple[int, int]) -> nn.Linear | None:
    """The linear layer that runs last and gets one vector a photo."""
    called: list[nn.Linear] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if isinstance(layer, nn.Linear) and inputs[0].ndim == 2 and len(inputs[0]) == 2:
            called.append(layer)

    hooks = [
        part.register_forward_pre_hook(note)
        for part in model.modules()
        if isinstance(part, nn.Linear)
    ]
    training = model.training
    try:
        with torch.inference_mode():
            # Two photos, so that a vector a photo can be told from any other.
            model.eval()(torch.zeros(2, 3, *size))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return called[-1] if called else None
