"""The files from which a browser runs a bundle: ``model.json``, the graphs, golden outputs.

They are derived: cached by the bundle's version, so that neither its version nor its share links
change. Those of the small graph are made when a version is published, or on demand; those of the
full one, which few pages load, only on demand.
"""

import gzip
import hashlib
import json
import logging
import sys
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..answer.phrases import device_words, label_summary, phrase_to_json
from ..bundle import (
    SMALL_CARD,
    Bundle,
    Calibration,
    SmallCard,
    familiar_labels,
    read_samples,
    read_small_card,
)
from ..bundle.registry import is_public, open_bundle
from ..errors import BundleDamaged, EngineUnavailable
from ..photo import MAX_BYTES, MAX_PIXELS
from ..photo.formats import MIN_SIDE_PX, SIGNATURES
from ..resources import configure_malloc
from ..settings import ROOT
from .cache import cached_folder, find_folder, read_info
from .packed_network import NotPackable, pack_network
from .page_files import PAGE_DIR, PAGE_FILES
from .runtime import run_program, runtime_dir, runtime_info, runtime_name
from .small_graph import describe_features, make_small_graph, with_temperature

FORMAT = 2
REVISION = 3
"""Raised when these files get more contents, so that those in a cache are made again."""

LIMITS = {"bytes": MAX_BYTES, "pixels": MAX_PIXELS, "side": MIN_SIDE_PX, "formats": SIGNATURES}
"""The largest photo that is read, the shortest side, and how files of photos begin."""

GOLDEN_PHOTOS = 2
TOLERANCE = 1e-4
"""Largest difference of an output on the device from the recorded one; relative above one.

Measured on 200 photos in two browsers: probabilities 1.8e-6, the OOD score 9.3e-6.
"""
TIMEOUT_SECONDS = 120

FULL_FILE = "full.json"
"""The file with the entry of the full graph, beside its files and on the server."""

Graph = Literal["small", "full"]

FOLDERS: dict[Graph, str] = {"small": "models", "full": "full"}
"""Folders of the cache by graph; both hold a folder per model."""

log = logging.getLogger("loupe")


def device_dir(bundle: Bundle, graph: Graph = "small") -> Path:
    """Return the folder with a graph's device files; the first call makes them, in seconds.

    A process of its own makes them, because it takes much memory for a moment: see ``run_program``.

    Raises:
        EngineUnavailable: they cannot be made on this machine.
        OSError: the data folder cannot be written.
    """
    return cached_folder(device_name(bundle, graph), lambda new: _run(bundle, graph, new))


def device_name(bundle: Bundle, graph: Graph = "small") -> str:
    """Return the name of the folder of a graph's device files in the cache."""
    card = read_small_card(bundle) if graph == "small" else None
    # The small card may change without a new version of the bundle.
    suffix = f"-{hashlib.sha256(card.model_dump_json().encode()).hexdigest()[:8]}" if card else ""
    return f"{FOLDERS[graph]}/{bundle.name}/{bundle.version}-{FORMAT}.{REVISION}{suffix}"


def make_ahead(bundle: Bundle) -> None:
    """Make what browsers load of a version, so that no visitor waits; only log a failure."""
    try:
        if is_public(bundle) and needs_runtime(bundle):
            runtime_dir()
    except (EngineUnavailable, OSError) as error:
        log.warning("%s", error)


def small_card_in_use(bundle: Bundle) -> SmallCard | None:
    """Return the small card if it belongs to the small graph that devices run, else None.

    Also None before the device files are made.
    """
    card, folder = read_small_card(bundle), find_folder(device_name(bundle))
    return card if card and folder and _is_measured(folder) else None


@lru_cache(maxsize=64)
def _is_measured(folder: Path) -> bool:
    info = read_info(folder, "model.json")
    return bool(info["graphs"]["small"]["measured"])


def needs_runtime(bundle: Bundle) -> bool:
    """Return whether a bundle's graphs run on onnxruntime-web alone; see ``device_dir``."""
    return _needs_runtime(device_dir(bundle))


@lru_cache(maxsize=64)
def _needs_runtime(folder: Path) -> bool:
    return "network" not in read_info(folder, "model.json")["graphs"]["small"]


def describe_engine(bundle: Bundle) -> str:
    """Return what runs a model in browsers, as a line; fetch onnxruntime-web if it needs that."""
    if not is_public(bundle):
        return "in browsers: server only, by LOUPE_DOWNLOADS"
    try:
        pack_network(bundle.read("graph.onnx"))
    except NotPackable as lacking:
        try:
            runtime_dir()
        except (EngineUnavailable, OSError) as error:
            return f"in browsers: server only, since Loupe's kernels lack {lacking}. {error}"
        return f"in browsers: onnxruntime-web, since Loupe's kernels lack {lacking}"
    return "in browsers: Loupe's kernels"


def model_json(bundle: Bundle, runtime_base: str) -> dict[str, Any]:
    """Return the contents of ``model.json``, with the runtime below ``runtime_base``.

    The entry of the full graph is empty until its files have been made. The runtime is None where
    no graph needs it, unless this machine has it, for open pages of earlier versions.

    Raises:
        EngineUnavailable: see ``device_dir`` and ``runtime_info``.
    """
    info: dict[str, Any] = read_info(device_dir(bundle), "model.json")
    if full := find_folder(device_name(bundle, "full")):
        info["graphs"]["full"] = read_info(full, FULL_FILE)
    # Not cached with the rest: another release may word things differently.
    info["words"] = device_words(bundle.manifest, small_card_in_use(bundle))
    info["runtime"] = None
    if needs_runtime(bundle) or find_folder(runtime_name()):
        runtime = runtime_info()
        places = {key: runtime_base + runtime[key] for key in ("module", "wasm")}
        info["runtime"] = {**runtime, **places}
    # Of this code, not of the bundle: files in the cache may be older.
    info["limits"] = LIMITS
    return info


def full_json(bundle: Bundle) -> dict[str, Any]:
    """Return the entry of the full graph in ``model.json``, once its files are made.

    Raises:
        EngineUnavailable: see ``device_dir``.
    """
    info: dict[str, Any] = read_info(device_dir(bundle, "full"), FULL_FILE)
    return info


def first_visit_bytes(bundle: Bundle, graph: Graph = "small") -> int:
    """Return what a first visit to the page loads until a graph answers, in bytes.

    The server compresses text, as most do. 0 before this machine has made the model's files.
    """
    if not all(find_folder(device_name(bundle, one)) for one in {"small", graph}):
        return 0
    if needs_runtime(bundle) and not find_folder(runtime_name()):
        return 0
    info = model_json(bundle, "")
    chosen, runtime = info["graphs"][graph], info["runtime"]
    described = len(gzip.compress(json.dumps(info).encode()))
    size: int = described + chosen["golden"]["bytes"] + _page_bytes()
    if network := chosen.get("network"):
        return size + int(network["bytes"])
    module = gzip.compress((runtime_dir() / runtime["module"]).read_bytes())
    return size + int(chosen["bytes"]) + int(runtime["bytes"]) + len(module)


@cache
def _page_bytes() -> int:
    """Return the compressed size of the page's files."""
    return sum(len(gzip.compress((PAGE_DIR / name).read_bytes())) for name in PAGE_FILES)


def index_json(
    bundles: Iterable[Bundle], default: str | None, base: str = ""
) -> dict[str, list[dict[str, Any]]]:
    """Return the contents of ``models/index.json``: the models to choose from.

    Args:
        default: the name of the one that opens.
        base: the address of ``device/``, for a page elsewhere.
    """
    models = [
        {
            "name": bundle.name,
            "title": bundle.manifest.title,
            "default": bundle.name == default,
            "language": bundle.manifest.language,
            "count": len(bundle.labels),
            "knows": phrase_to_json(label_summary(familiar_labels(bundle))),
            "samples": samples_json(bundle, base),
        }
        for bundle in bundles
    ]
    return {"models": models}


def samples_json(bundle: Bundle, base: str = "") -> list[dict[str, str]]:
    """Return a model's samples with their addresses; ``base`` as for ``index_json``."""
    rows = []
    for sample in read_samples(bundle):
        url, thumbnail = (f"{base}models/{bundle.name}/samples/{name}" for name in sample.names)
        entry = sample.entry
        rows.append({"title": entry.title, "alt": entry.alt, "url": url, "thumbnail": thumbnail})
    return rows


def _run(bundle: Bundle, graph: Graph, folder: Path) -> None:
    completed = run_program(
        [sys.executable, "-m", __name__, bundle.folder, bundle.name, folder, graph],
        f"The files of {bundle.name!r} for browsers can't be made",
        timeout=TIMEOUT_SECONDS,
        cwd=ROOT,
    )
    for line in completed.stderr.splitlines():
        log.warning("%s", line)


def main(source: str, name: str, target: str, graph: str) -> None:
    """Write the device files of a graph of the bundle in ``source`` to ``target``."""
    configure_malloc()
    bundle, folder = open_bundle(Path(source), name), Path(target)
    if graph == "small":
        _write_info(folder / "model.json", _write_small(bundle, folder))
    else:
        calibration = bundle.manifest.calibration
        entry = _write_graph(bundle, bundle.read("graph.onnx"), calibration, folder)
        _write_info(folder / FULL_FILE, entry)


def _write_small(bundle: Bundle, folder: Path) -> dict[str, Any]:
    """Write the small graph's files; return what ``model.json`` says of the bundle and of it."""
    manifest = bundle.manifest
    small_graph, card = _make_small(bundle, bundle.read("graph.onnx"))
    calibration = card.calibration if card else manifest.calibration
    features = describe_features(bundle.name, manifest.recipe, small_graph)
    return {
        "format": FORMAT,
        **manifest.model_dump(
            mode="json",
            include={"name", "title", "description", "language", "multilabel", "labels", "recipe"},
        ),
        "version": bundle.version,
        "graphs": {
            "small": {
                **_write_graph(bundle, small_graph, calibration, folder),
                # Calibration and figures are those of the small graph itself.
                "measured": card is not None,
                **({"features": features} if features else {}),
            },
            "full": {},
        },
    }


def _write_info(file: Path, info: dict[str, Any]) -> None:
    file.write_text(json.dumps(info, ensure_ascii=False, indent=1), encoding="utf-8")


def _make_small(bundle: Bundle, graph: bytes) -> tuple[bytes, SmallCard | None]:
    """Return the small graph, and its card if it is the one that the card was fitted to."""
    small_graph = make_small_graph(graph)
    card = read_small_card(bundle)
    if card and hashlib.sha256(small_graph).hexdigest() != card.graph:
        log.warning("%s is ignored: it is of another small graph.", bundle.folder / SMALL_CARD)
        return small_graph, None
    if card and card.calibration:
        try:
            small_graph = with_temperature(small_graph, card.calibration.temperature)
        except BundleDamaged as error:
            log.warning("%s is ignored: %s", bundle.folder / SMALL_CARD, error)
            return small_graph, None
    return small_graph, card


def _write_graph(
    bundle: Bundle, graph: bytes, calibration: Calibration | None, folder: Path
) -> dict[str, Any]:
    """Write a graph and its golden pixels; return its entry in ``model.json``."""
    pixels = bundle.golden.pixels[:GOLDEN_PHOTOS]
    outputs = run_graph(graph, pixels)
    novelty = outputs.get("novelty")
    entry: dict[str, Any] = {}
    try:
        entry["network"] = _write_packed(folder, pack_network(graph), ".network.gz")
    except NotPackable as reason:
        log.warning("%s needs onnxruntime-web: Loupe's kernels lack %s.", bundle.name, reason)
    return {
        **entry,
        # Pages of earlier versions need it for packed graphs, too, until the next release.
        **_write_packed(folder, graph, ".onnx.gz"),
        "calibration": calibration_json(calibration),
        "golden": {
            **_write_packed(folder, pixels.tobytes(), ".golden.gz"),
            "count": len(pixels),
            "probabilities": [
                [round(float(p), 6) for p in row] for row in outputs["probabilities"]
            ],
            "novelty": None if novelty is None else [float(value) for value in novelty],
            "tolerance": TOLERANCE,
        },
    }


def calibration_json(calibration: Calibration | None) -> dict[str, Any] | None:
    """Return the thresholds by which ``device/engine/prediction.mjs`` decides."""
    if calibration is None:
        return None
    rule = calibration.prediction_set
    return {
        "label_thresholds": rule and list(rule.label_thresholds),
        "ood_threshold": calibration.ood_threshold,
    }


def _write_packed(folder: Path, data: bytes, suffix: str) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    packed = gzip.compress(data, mtime=0)
    url = f"{digest[:16]}{suffix}"
    (folder / url).write_bytes(packed)
    return {"url": url, "bytes": len(packed), "sha256": digest}


def run_graph(graph: bytes, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Return a graph's outputs by name for the pixels of N photos, run one by one.

    As in the browser, the small graph's weights are widened at load.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    rows = [session.run(names, {"pixels": photo[None]}) for photo in pixels]
    columns = map(np.concatenate, zip(*rows, strict=True))
    return dict(zip(names, columns, strict=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
