"""A few-shot head as an ordinary bundle: base, head, distance and temperature in one graph."""

import platform
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ..browser.device_files import run_graph
from ..browser.small_graph import make_small_graph
from ..bundle import (
    HASH_DIGITS,
    TRAINING_PHOTOS,
    Bundle,
    Calibration,
    ManifestDraft,
    Metric,
    ModelCard,
    check_name,
    publish,
)
from ..calibration.calibrate_folder import write_small_figures
from ..calibration.cross_validation import MEASURED_BY
from ..calibration.graph_head import replace_classifier, rewrite_head
from ..calibration.ood_detectors import mean_cosine
from ..engine_info import ENGINES
from ..errors import ExportRefused
from ..evaluation.metrics import proportion_metric
from ..settings import settings
from ..storage.file_hash import hash_file
from .few_shot_head import FewShotHead
from .left_out import FOLDS, LeftOut
from .loupe_file import LoupeManifest, draw
from .teaching_base import TeachingBase

TOLERANCE = 1e-3
"""Largest difference of the small graph's outputs from the file's; relative above one."""

WEIGHTS_FILE = ENGINES["learner"].needs
UNKNOWN = "not stated"


def publish_head(
    manifest: LoupeManifest,
    head: FewShotHead,
    base: TeachingBase,
    name: str,
    *,
    title: str = "",
    licence: str = "",
    command: str = "model.teaching.teach",
    models_dir: Path | None = None,
    left_out: LeftOut | None = None,
    photos: Sequence[Path] = (),
) -> Bundle:
    """Publish a few-shot head as a bundle with its base's network.

    Args:
        manifest: the head's description.
        head: its numbers.
        base: the model that it was fitted on.
        name: the new model's name.
        title: what people read; by default the manifest's.
        licence: the model's; by default the base's.
        command: the command line that was used, for the card.
        models_dir: where to publish; by default the data folder's models.
        left_out: the validation, where it took place here: the bundle gets a card.
        photos: the photos that the head was fitted to; their hashes are kept.

    Raises:
        ExportRefused: the base's features are others, or the graph gives other outputs.
        DataError: the name isn't allowed.
    """
    check_name(name)
    check_base(manifest, base)
    calibration = Calibration(
        temperature=manifest.temperature,
        ood_threshold=manifest.ood_threshold,
        ood_detector=mean_cosine(head.means).name,
    )
    metrics = _metrics(manifest)
    card = _card(left_out, command) if left_out and metrics else None
    weights = _replace_weights(base.bundle, head)
    draft = _draft(manifest, base, name, title, licence).model_copy(
        update={
            "engines": ("compiled", "learner") if weights else ("compiled",),
            "calibration": calibration,
            "metrics": metrics,
            "card": card,
        }
    )

    def write_files(folder: Path) -> None:
        graph = replace_classifier(base.bundle.read("graph.onnx"), head.weight, head.bias)
        (folder / "graph.onnx").write_bytes(graph)
        pixels = base.bundle.golden.pixels
        logits = run_graph(graph, pixels)["logits"]
        np.savez_compressed(folder / "golden.npz", pixels=pixels, logits=logits)
        rewrite_head(folder, manifest.temperature, mean_cosine(head.means))
        if weights:
            (folder / WEIGHTS_FILE).write_bytes(weights)
        if photos:
            hashes = sorted({hash_file(path)[:HASH_DIGITS] for path in photos})
            (folder / TRAINING_PHOTOS).write_text("\n".join(hashes) + "\n")
        _check_outputs(manifest, (folder / "graph.onnx").read_bytes(), draft.recipe.size)

    bundle = publish(draft, models_dir or settings().data / "models", write_files)
    if metrics:
        write_small_figures(
            bundle, calibration=calibration, metrics=metrics, full_metrics=(), card=card
        )
    return bundle


def check_base(manifest: LoupeManifest, base: TeachingBase) -> None:
    """Check that a head fits its base.

    Raises:
        ExportRefused: it was fitted to other features.
    """
    if (base.features["sha256"], base.features["size"]) != (
        manifest.base.features,
        manifest.base.size,
    ):
        raise ExportRefused(
            f"This model was taught on {manifest.base.name} {manifest.base.version}, and "
            f"{base.bundle.name} {base.bundle.version} has other features, so its answers would be "
            "wrong. Import it where that version is installed, or teach it again from its photos."
        )


def _check_outputs(manifest: LoupeManifest, graph: bytes, size: tuple[int, int]) -> None:
    outputs = run_graph(make_small_graph(graph), draw(*size))
    for name in ("logits", "novelty"):
        expected = np.array(getattr(manifest.golden, name))
        difference = np.abs(outputs[name] - expected) / np.maximum(1, np.abs(expected))
        # Written so that NaN is a mismatch.
        if not difference.max() <= TOLERANCE:
            raise ExportRefused(
                f"The model gives other {name} here than where it was made (a difference of "
                f"{difference.max():.2g}, and {TOLERANCE:g} is allowed). Nothing was written. "
                "Teach it again from its photos."
            )


def _draft(
    manifest: LoupeManifest, base: TeachingBase, name: str, title: str, licence: str
) -> ManifestDraft:
    values = base.bundle.manifest.to_draft().model_dump(mode="json")
    labels, size = len(manifest.labels), manifest.base.size
    architecture = values["architecture"]
    parameters = architecture["parameters"] + (labels - len(base.bundle.labels)) * (size + 1)
    photos, groups = sum(manifest.photos), sum(manifest.groups)
    values |= {
        "name": name,
        "title": title or manifest.title,
        "description": f"Taught from {photos} photos in {groups} groups, on the features of "
        f"{manifest.base.name}.",
        "language": manifest.language,
        "labels": manifest.labels,
        "multilabel": False,
        "threshold": None,
        "architecture": {**architecture, "parameters": max(1, parameters)},
        "licence": licence or base.bundle.manifest.licence,
        "data": {
            "title": f"{photos} photos of {labels} labels",
            "source": "taken to teach this model; they are not part of it",
            "licence": UNKNOWN,
            "photos": photos,
        },
        "metrics": (),
        "confidence": None,
        "card": None,
        "made": {
            "taught on": f"{manifest.base.name} {manifest.base.version}",
            "features": manifest.base.features,
            "taught": manifest.made,
            "keeps": f"{manifest.promise:.0%} of such photos" if manifest.promise else "unknown",
            "python": platform.python_version(),
        },
    }
    return ManifestDraft.model_validate(values)


def _metrics(manifest: LoupeManifest) -> tuple[Metric, ...]:
    accuracy = manifest.accuracy
    if not accuracy or not sum(accuracy.counted):
        return ()
    right, counted = sum(accuracy.right), sum(accuracy.counted)
    on = "recordings (photo groups), each tested without itself, on the small graph"
    return (proportion_metric("accuracy", right, counted, on, MEASURED_BY),)


def _card(left_out: LeftOut, command: str) -> ModelCard:
    pairs = Counter((one.label, one.called) for one in left_out.outcomes)
    groups = len(left_out.outcomes)
    return ModelCard(
        on="recordings (photo groups), each tested without itself",
        photos=groups,
        folds=groups if left_out.folds == "each group" else FOLDS,
        confusion=tuple((*pair, count) for pair, count in pairs.most_common()),
        command=command,
        notes=("What is counted are recordings, not photos.",),
    )


def _replace_weights(base: Bundle, head: FewShotHead) -> bytes | None:
    """Return the base's weights with the head as the last layer; None if that isn't possible."""
    nodes = onnx.load_from_string(base.read("graph.onnx")).graph.node
    last = next((node for node in nodes if "logits" in node.output), None)
    is_linear = last is not None and last.op_type == "Gemm" and last.input[0] == "features"
    if WEIGHTS_FILE not in base.file_names or not is_linear:
        return None
    import safetensors.numpy

    tensors: dict[str, NDArray[Any]] = safetensors.numpy.load(base.read(WEIGHTS_FILE))
    shape = (len(base.labels), head.weight.shape[1])
    names = [name for name, tensor in tensors.items() if tensor.shape == shape]
    if len(names) != 1:
        return None
    tensors[names[0]] = head.weight
    tensors[names[0].removesuffix("weight") + "bias"] = head.bias
    packed: bytes = safetensors.numpy.save(tensors)
    return packed
