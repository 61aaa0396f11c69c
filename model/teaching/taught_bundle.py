"""A few-shot head as an ordinary bundle: base, head, distance and temperature in one graph."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ..browser.device_files import run_graph
from ..browser.small_graph import describe_features, make_small_graph
from ..bundle import (
    HASH_DIGITS,
    TRAINING_PHOTOS,
    Bundle,
    Calibration,
    ManifestDraft,
    check_name,
    get_bundle,
    publish,
)
from ..bundle.manifest import TAUGHT_ON, Data
from ..calibration.graph_head import attach_head, replace_classifier
from ..calibration.ood_detectors import mean_cosine
from ..engine_info import ENGINES
from ..errors import BundleNotFound, ExportRefused
from ..settings import settings
from ..storage.disk import hash_file
from ..text import clean
from .few_shot_head import FewShotHead
from .loupe_file import LoupeManifest, draw

TOLERANCE = 1e-3
"""Largest difference of the small graph's outputs from the file's; relative above one."""

MAX_LINE = 200
WEIGHTS_FILE = ENGINES["learner"].needs


def publish_head(
    manifest: LoupeManifest,
    head: FewShotHead,
    name: str,
    *,
    title: str = "",
    licence: str = "",
    models_dir: Path | None = None,
    photos: Iterable[Path] = (),
    is_candidate: bool = False,
) -> Bundle:
    """Publish a few-shot head as a bundle with its base's network.

    Args:
        title: what people read; by default the manifest's.
        licence: the model's; by default the base's.
        models_dir: where to publish; by default the data folder's models.
        photos: those that the head was fitted to, if they are here; their hashes are kept.
        is_candidate: leave the version of that name in use, if there is one.

    Raises:
        BundleError: the base isn't here, or it can't be opened.
        ExportRefused: it has other features, or the graph gives other outputs.
        DataError: the name isn't allowed.
    """
    check_name(name)
    try:
        base, detector = get_bundle(manifest.base.name), mean_cosine(head.means)
    except BundleNotFound as error:
        raise BundleNotFound(f"It needs the model that it was taught on. {error}") from None
    graph = replace_classifier(base.read("graph.onnx"), head.weight, head.bias)
    graph = attach_head(graph, manifest.temperature, detector)
    _check_outputs(manifest, graph, base)
    weights = _replace_weights(base, head)
    draft = _draft(
        manifest,
        base,
        name=name,
        title=clean(title)[:MAX_LINE] or manifest.title,
        licence=clean(licence)[:MAX_LINE] or base.manifest.licence,
        engines=("compiled", "learner") if weights else ("compiled",),
    )

    def write_files(folder: Path) -> None:
        (folder / "graph.onnx").write_bytes(graph)
        pixels = base.golden.pixels
        arrays: dict[str, Any] = {**run_graph(graph, pixels), "pixels": pixels}
        del arrays["features"]
        np.savez_compressed(folder / "golden.npz", **arrays)
        if weights:
            (folder / WEIGHTS_FILE).write_bytes(weights)
        if hashes := sorted({hash_file(path)[:HASH_DIGITS] for path in photos}):
            (folder / TRAINING_PHOTOS).write_text("\n".join(hashes) + "\n")

    models_dir = models_dir or settings().data / "models"
    return publish(draft, models_dir, write_files, is_candidate=is_candidate)


def _check_outputs(manifest: LoupeManifest, graph: bytes, base: Bundle) -> None:
    small_graph, recipe = make_small_graph(graph), base.manifest.recipe
    found, taught_on = describe_features(base.name, recipe, small_graph), manifest.base
    if not found or (found["sha256"], found["size"]) != (taught_on.features, taught_on.size):
        raise ExportRefused(
            f"This model was taught on {taught_on.name} {taught_on.version}, and {base.name} "
            f"{base.version} has other features, so its answers would be wrong. Import it where "
            "that version is installed, or teach it again from its photos."
        )
    outputs = run_graph(small_graph, draw(*recipe.size))
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


def _draft(manifest: LoupeManifest, base: Bundle, **fields: Any) -> ManifestDraft:
    of_base, photos, groups = base.manifest, sum(manifest.photos), sum(manifest.groups)
    more = (len(manifest.labels) - len(base.labels)) * (manifest.base.size + 1)
    parameters = max(1, of_base.architecture.parameters + more)
    taught_on = f"{base.name} {manifest.base.version}"
    return ManifestDraft(
        description=f"Taught from {photos} photos in {groups} recordings on {taught_on}.",
        language=manifest.language,
        labels=manifest.labels,
        recipe=of_base.recipe,
        architecture=of_base.architecture.model_copy(update={"parameters": parameters}),
        data=Data(
            title=f"Photos of {len(manifest.labels)} labels",
            source="taken to teach this model; they aren't part of it",
            licence="not stated",
            photos=photos,
        ),
        metrics=(manifest.metric,) if manifest.metric else (),
        calibration=Calibration(
            temperature=manifest.temperature,
            ood_threshold=manifest.ood_threshold,
            ood_detector="cosine to the label's mean",
            target_id_accept_rate=manifest.promise,
        ),
        provenance={
            TAUGHT_ON: taught_on,
            "features": manifest.base.features,
            "taught": manifest.made,
        },
        **fields,
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
