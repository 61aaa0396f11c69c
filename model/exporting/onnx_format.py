"""ONNX: the bundle's own graph, which runs in ONNX Runtime in any language."""

from importlib.metadata import version
from pathlib import Path

from ..browser.device_files import run_graph
from ..bundle import Bundle
from ..engines.compiled import GRAPH
from .export_check import CheckPhotos, Written, compare, golden_reference, run_reference


def write(bundle: Bundle, folder: Path, photos: CheckPhotos) -> Written:
    """See ``export_models``."""
    graph = bundle.read(GRAPH)
    (folder / GRAPH).write_bytes(graph)
    reference = run_reference(bundle, photos)
    has_learner = not reference.is_graph
    if not has_learner:
        # Comparing the graph with itself would prove nothing.
        reference = golden_reference(bundle)
    outputs = run_graph(graph, reference.pixels)
    comparison = compare(reference, outputs["probabilities"], outputs.get("novelty"))
    comparison.require_close("The graph")
    checks = [f"{comparison} Run by ONNX Runtime {version('onnxruntime')}."]
    if photos.folder is not None and not has_learner:
        checks.append(
            "The photos of `--photos` weren't used: no learner runs here that the graph could be "
            "compared with on them."
        )
    return Written(tuple(checks))
