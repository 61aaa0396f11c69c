"""The network that the learner engine runs, and its export to ONNX.

It turns pixels into outputs; the export writes weights, ONNX graph and golden outputs.
"""

import contextlib
import io
import logging
import math
import warnings
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..bundle import ManifestDraft
from ..engine_info import ENGINES
from ..preprocess import Pixels, preprocess
from ..samples import samples, shapes
from . import strip_metadata

Stats = tuple[float, float, float]


class InferenceModule(nn.Module):
    """Greyscale, scaling, normalisation, network and activation, without calibration.

    Takes ``pixels`` uint8 [N, height, width, 3]; returns float32 ``logits`` [N, labels],
    ``features`` [N, D] and ``probabilities`` [N, labels]. Calibration is defined in the graph
    head alone, which replaces these probabilities.
    """

    def __init__(
        self,
        network: "FeatureSplit | HookedNetwork",
        mean: Stats,
        std: Stats,
        multilabel: bool = False,
        scale: "Scale | None" = None,
        greyscale: bool = False,
    ) -> None:
        super().__init__()
        self.network, self.scale = network, scale
        self.greyscale = Greyscale() if greyscale else None
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        self.multilabel = multilabel

    @classmethod
    def from_model(cls, model: nn.Module, manifest: ManifestDraft) -> "InferenceModule":
        """Return the module for a fastai model.

        Features are the input of the last linear layer: of the head's last layer in a
        ``Sequential(body, head)``, else of the linear layer that runs last.
        """
        recipe = manifest.recipe
        size = recipe.graph_size
        return cls(
            _split_features(model) or HookedNetwork(model, size or recipe.size),
            manifest.architecture.mean,
            manifest.architecture.std,
            manifest.multilabel,
            Scale.from_sizes(recipe.size, size) if size else None,
            recipe.greyscale,
        )

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        images = pixels.permute(0, 3, 1, 2).float()
        if self.greyscale is not None:
            images = self.greyscale(images)
        images = images / 255
        if self.scale is not None:
            images = self.scale(images)
        logits, features = self.network((images - cast(Tensor, self.mean)) / cast(Tensor, self.std))
        probabilities = logits.sigmoid() if self.multilabel else logits.softmax(dim=1)
        return logits, features, probabilities


class FeatureSplit(nn.Module):
    """A network with a linear last layer: images → logits and the input of that layer."""

    def __init__(self, features: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.features, self.classifier = features, classifier

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        features = self.features(images)
        return self.classifier(features), features


class HookedNetwork(nn.Module):
    """A network of any shape: images → logits and the input of its last linear layer.

    Without a linear layer the features are the logits. Not thread-safe, because a hook is set
    while it runs.
    """

    def __init__(self, model: nn.Module, size: tuple[int, int]) -> None:
        super().__init__()
        self.model = model
        self.last_linear = _find_last_linear(model, size)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        if self.last_linear is None:
            logits = self.model(images)
            return logits, logits
        # A list instead of an attribute: torch.export does not let modules keep tensors.
        features: list[Tensor] = []
        hook = self.last_linear.register_forward_pre_hook(
            lambda _, inputs: features.append(inputs[0])
        )
        try:
            logits = self.model(images)
        finally:
            hook.remove()
        return logits, features[-1]


class Greyscale(nn.Module):
    """Convert RGB to greyscale in integers, as Pillow does.

    Changes nothing where the recipe has done so; other programs may give pixels in colour.
    Takes and returns float32 [N, 3, height, width] from 0 to 255; the three channels of the
    result are equal.

    Source: Pillow's conversion to "L", ITU-R 601 with weights in 65536ths.
    """

    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        shares = torch.tensor([19595.0, 38470.0, 7471.0]) / 65536
        self.register_buffer("weights", shares.view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        # Exact: single precision has 24 bits, and a share times a byte needs no more.
        greyscale = torch.floor((images * self.weights).sum(dim=1, keepdim=True) + 0.5)
        return greyscale.expand(-1, 3, -1, -1)


class Scale(nn.Module):
    """Resizing inside the graph, one axis after the other.

    Takes and returns float32 [N, 3, height, width]. ``rows`` [new height, height] and
    ``columns`` [new width, width] hold the weight of each old pixel in each new one.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, rows: Tensor, columns: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", rows.contiguous())
        self.register_buffer("columns", columns.contiguous())

    @classmethod
    def from_sizes(cls, size: tuple[int, int], new_size: tuple[int, int]) -> "Scale":
        """Return fastai's batch resize from ``size`` to ``new_size``, both (height, width).

        Source: fastai's ``_grid_sample``: bilinear between the centres of the outer pixels;
        if both sides shrink to less than half, areas are averaged first.
        """
        shrink = min(old / new for old, new in zip(size, new_size, strict=True)) / 2
        axes = []
        for old, new in zip(size, new_size, strict=True):
            lines = torch.eye(old)[None]
            if shrink > 1:
                lines = functional.adaptive_avg_pool1d(lines, math.floor(old * (1 / shrink)))
            lines = functional.interpolate(lines, size=new, mode="linear", align_corners=True)
            axes.append(lines[0].T)
        return cls(*axes)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        return self.rows @ images @ self.columns.T


def _split_features(model: nn.Module) -> FeatureSplit | None:
    """Return the model as features and a linear layer, if it is built that way."""
    # A subclass of Sequential may do more than run its parts in order.
    if type(model) is not nn.Sequential or len(model) != 2:
        return None
    body, head = model
    if type(head) is not nn.Sequential or not len(head) or not isinstance(head[-1], nn.Linear):
        return None
    return FeatureSplit(nn.Sequential(body, *list(head)[:-1]), head[-1])


def _find_last_linear(model: nn.Module, size: tuple[int, int]) -> nn.Linear | None:
    """Return the linear layer that runs last and gets one vector per photo."""
    called: list[nn.Linear] = []

    def record(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if isinstance(layer, nn.Linear) and inputs[0].ndim == 2 and len(inputs[0]) == 2:
            called.append(layer)

    hooks = [
        part.register_forward_pre_hook(record)
        for part in model.modules()
        if isinstance(part, nn.Linear)
    ]
    training = model.training
    try:
        with torch.inference_mode():
            # With two photos, one vector per photo can be told from one per patch.
            model.eval()(torch.zeros(2, 3, *size))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return called[-1] if called else None


WEIGHTS_FILE = "weights.safetensors"


def export_onnx(model: nn.Module, manifest: ManifestDraft, folder: Path) -> None:
    """Write ``graph.onnx``, ``golden.npz`` and, if an engine needs them, the weights.

    The golden outputs are the eager module's, so that the golden test compares the graph
    with the learner.
    """
    if any(ENGINES[engine].needs == WEIGHTS_FILE for engine in manifest.engines):
        import safetensors.torch

        # Clones, because safetensors refuses tensors that layers share.
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        state = {name: tensor.contiguous() for name, tensor in state.items()}
        safetensors.torch.save_file(state, str(folder / WEIGHTS_FILE))
    module = InferenceModule.from_model(model, manifest).eval().cpu()
    pixels = golden_pixels(manifest)
    with torch.inference_mode():
        logits, _, probabilities = (output.numpy() for output in module(torch.from_numpy(pixels)))
    np.savez_compressed(
        folder / "golden.npz", pixels=pixels, logits=logits, probabilities=probabilities
    )
    _export_graph(module, pixels[:2], folder / "graph.onnx")


def golden_pixels(manifest: ManifestDraft) -> Pixels:
    """Return sample photos and drawn shapes, preprocessed: uint8 [K, height, width, 3]."""
    images = [sample.open() for sample in samples()] + shapes()
    return np.stack([preprocess(image.convert("RGB"), manifest.recipe) for image in images])


def _export_graph(module: InferenceModule, example: Pixels, path: Path) -> None:
    """Export to a single ONNX file that takes any number of photos."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    # With in-place activations and gradients, the exporter takes half as long again.
    for part in module.modules():
        if "inplace" in vars(part):
            vars(part)["inplace"] = False
    with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.from_numpy(example),),
            str(path),
            dynamo=True,
            external_data=False,
            input_names=["pixels"],
            output_names=["logits", "features", "probabilities"],
            dynamic_shapes=({0: torch.export.Dim("N", min=1, max=4096)},),
        )
    model = onnx.load(path)
    strip_metadata(model)
    onnx.save(model, path)
