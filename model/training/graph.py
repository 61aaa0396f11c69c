"""The module that both engines run: everything after the pixels, in one place."""

from typing import cast

import torch
from torch import Tensor, nn

from ..manifest import Manifest

__all__ = ["Answering"]


class Answering(nn.Module):
    """Pixels in, answers out: normalisation, network, temperature, probabilities.

    Takes ``pixels`` uint8 [N, height, width, 3]; returns float32 ``logits``
    [N, labels], ``features`` [N, D] and ``probabilities`` [N, labels].
    """

    def __init__(
        self,
        network: nn.Module,
        classifier: nn.Module,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        temperature: float = 1.0,
        multilabel: bool = False,
    ) -> None:
        super().__init__()
        self.network, self.classifier = network, classifier
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        self.temperature, self.multilabel = temperature, multilabel

    @classmethod
    def around(cls, model: nn.Module, manifest: Manifest) -> "Answering":
        """Wrap a fastai model, ``Sequential(body, head)`` whose head ends in a linear layer."""
        body, head = cast(nn.Sequential, model)
        layers = list(cast(nn.Sequential, head))
        return cls(
            nn.Sequential(body, *layers[:-1]),
            layers[-1],
            manifest.architecture.mean,
            manifest.architecture.std,
            manifest.confidence.temperature if manifest.confidence else 1.0,
            manifest.multilabel,
        )

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        images = pixels.permute(0, 3, 1, 2).float() / 255
        features = self.network((images - cast(Tensor, self.mean)) / cast(Tensor, self.std))
        logits = self.classifier(features)
        calibrated = logits / self.temperature
        probabilities = calibrated.sigmoid() if self.multilabel else calibrated.softmax(dim=1)
        return logits, features, probabilities
