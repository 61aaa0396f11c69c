"""A few-shot head as an ordinary bundle: base, head, distance and temperature in one graph."""

import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from ..browser.device_files import run_graph
from ..browser.small_graph import make_small_graph
from ..bundle import (
    HASH_DIGITS,
    TRAINING_PHOTOS,
    Bundle,
    Calibration,
    ManifestDraft,
    check_name,
    publish,
)
from ..bundle.manifest import Data
from ..calibration.cross_validation import MEASURED_BY
from ..calibration.graph_head import replace_classifier, rewrite_head
from ..calibration.ood_detectors import mean_cosine
from ..engine_info import ENGINES
from ..errors import ExportRefused
from ..evaluation.metrics import proportion_metric
from ..settings import settings
from ..storage.file_hash import hash_file
from ..text import clean
from .few_shot_head import FewShotHead
from .loupe_file import LoupeManifest, draw
from .teaching_base import TeachingBase

TOLERANCE = 1e-3
"""Largest difference of the small graph's outputs from the file's; relative above one."""

MAX_LINE = 200
WEIGHTS_FILE = ENGINES["learner"].needs
COUNTED_ON = "recordings (groups of photos), by the small graph"
COUNTED_BY = f"{MEASURED_BY}; what is counted are recordings, each tested without itself"


def publish_head(
    manifest: LoupeManifest,
    head: FewShotHead,
    base: TeachingBase,
    name: str,
    *,
    title: str = "",
    licence: str = "",
    models_dir: Path | None = None,
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
        models_dir: where to publish; by default the data folder's models.
        photos: those that the head was fitted to, if they are here; their hashes are kept.

    Raises:
        ExportRefused: the base has other features, or the graph gives other outputs.
        DataError: the name isn't allowed.
    """
    check_name(name)
    if (base.features["sha256"], base.features["size"]) != (
        manifest.base.features,
        manifest.base.size,
    ):
        raise ExportRefused(
            f"This model was taught on {manifest.base.name} {manifest.base.version}, and "
            f"{base.bundle.name} {base.bundle.version} has other features, so its answers would be "
            "wrong. Import it where that version is installed, or teach it again from its photos."
        )
    detector = mean_cosine(head.means)
    weights = _replace_weights(base.bundle, head)
    draft = _draft(manifest, base, name, title, licence, is_rebuilt=weights is not None)

    def write_files(folder: Path) -> None:
        graph = replace_classifier(base.bundle.read("graph.onnx"), head.weight, head.bias)
        (folder / "graph.onnx").write_bytes(graph)
        pixels = base.bundle.golden.pixels
        logits = run_graph(graph, pixels)["logits"]
        np.savez_compressed(folder / "golden.npz", pixels=pixels, logits=logits)
        rewrite_head(folder, manifest.temperature, detector)
        if weights:
            (folder / WEIGHTS_FILE).write_bytes(weights)
        if photos:
            hashes = sorted({hash_file(path)[:HASH_DIGITS] for path in photos})
            (folder / TRAINING_PHOTOS).write_text("\n".join(hashes) + "\n")
        _check_outputs(manifest, (folder / "graph.onnx").read_bytes(), draft.recipe.size)

    return publish(draft, models_dir or settings().data / "models", write_files)


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
    manifest: LoupeManifest,
    base: TeachingBase,
    name: str,
    title: str,
    licence: str,
    *,
    is_rebuilt: bool,
) -> ManifestDraft:
    of_base = base.bundle.manifest
    more = (len(manifest.labels) - len(of_base.labels)) * (manifest.base.size + 1)
    photos, groups = sum(manifest.photos), sum(manifest.groups)
    accuracy, metrics = manifest.accuracy, []
    if accuracy and (counted := sum(accuracy.counted)):
        right = sum(accuracy.right)
        metrics = [proportion_metric("accuracy", right, counted, COUNTED_ON, COUNTED_BY)]
    taught_on = f"{manifest.base.name} {manifest.base.version}"
    return ManifestDraft(
        name=name,
        title=clean(title)[:MAX_LINE] or manifest.title,
        description=f"Taught from {photos} photos in {groups} groups, on features of {taught_on}.",
        language=manifest.language,
        labels=manifest.labels,
        recipe=of_base.recipe,
        architecture=of_base.architecture.model_copy(
            update={"parameters": max(1, of_base.architecture.parameters + more)}
        ),
        engines=("compiled", "learner") if is_rebuilt else ("compiled",),
        licence=clean(licence)[:MAX_LINE] or of_base.licence,
        data=Data(
            title=f"Photos of {len(manifest.labels)} labels",
            source="taken to teach this model; they aren't part of it",
            licence="not stated",
            photos=photos,
        ),
        metrics=tuple(metrics),
        calibration=Calibration(
            temperature=manifest.temperature,
            ood_threshold=manifest.ood_threshold,
            ood_detector="cosine to the label's mean",
        ),
        provenance={
            "taught on": taught_on,
            "features": manifest.base.features,
            "taught": manifest.made[:10],
            "keeps": f"{manifest.promise:.0%} of such photos" if manifest.promise else "unknown",
            "python": platform.python_version(),
        },
    )


def _replace_weights(base: Bundle, head: FewShotHead) -> bytes | None:
    """Return the base's weights with the head as the last layer; None if that isn't possible."""
    nodes = onnx.load_from_string(base.read("graph.onnx")).graph.node
    last = next((node for node in nodes if "logits" in node.output), None)
    is_linear = last is not None and last.op_type == "Gemm" and last.input[0] == "features"
    if WEIGHTS_FILE not in base.file_names or not is_linear:
        return None
    import safetensors.numpy

    tensors = safetensors.numpy.load(base.read(WEIGHTS_FILE))
    shape = (len(base.labels), head.weight.shape[1])
    names = [name for name, tensor in tensors.items() if tensor.shape == shape]
    if len(names) != 1:
        return None
    layer = {names[0]: head.weight, names[0].removesuffix("weight") + "bias": head.bias}
    return safetensors.numpy.save({**tensors, **layer})
