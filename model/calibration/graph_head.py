"""The graph head: ONNX nodes from logits and features to probabilities and the OOD score.

Writing a calibration to a bundle replaces the head, the golden outputs and the manifest.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper, parser

from ..bundle import Calibration, ManifestDraft
from ..errors import BundleDamaged
from .cross_validation import MEASURED_BY, CalibrationResult
from .ood_detectors import OPSET, Detector
from .statistics import probabilities

__all__ = ["attach_head", "write_calibration", "write_temperature"]


def attach_head(
    graph: bytes, temperature: float, detector: Detector | None, multilabel: bool
) -> bytes:
    """Return the graph with a new head, which replaces an existing one.

    Args:
        graph: ONNX with outputs ``logits`` and ``features``.
        temperature: what logits are divided by.
        detector: computes ``novelty``, the OOD score; None for a graph without it.
        multilabel: take the sigmoid of each logit instead of the softmax of all.

    Raises:
        BundleDamaged: the graph lacks an output, or its operators are too old.
    """
    model = onnx.load_from_string(graph)
    outputs = {output.name: output for output in model.graph.output}
    if missing := [name for name in ("logits", "features") if name not in outputs]:
        raise BundleDamaged(f"The graph has no output {missing[0]!r}. Import the model again.")
    opset = next((entry.version for entry in model.opset_import if not entry.domain), 0)
    if opset < OPSET:
        raise BundleDamaged(
            f"The graph uses ONNX opset {opset}; calibration needs {OPSET} or newer. Import the "
            "model again."
        )
    _prune(model.graph, needed=_ancestors(model.graph, {"logits", "features"}))
    _add_probabilities(model.graph, temperature, multilabel)
    del model.graph.output[:]
    probabilities_output = onnx.ValueInfoProto()
    probabilities_output.CopyFrom(outputs["logits"])
    probabilities_output.name = "probabilities"
    model.graph.output.extend([outputs["logits"], outputs["features"], probabilities_output])
    if detector is not None:
        model.graph.node.extend(detector.nodes())
        model.graph.initializer.extend(detector.initializers())
        model.graph.output.append(
            helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["N"])
        )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _add_probabilities(graph: onnx.GraphProto, temperature: float, multilabel: bool) -> None:
    activation = "Sigmoid(calib_scaled)" if multilabel else "Softmax <axis = 1> (calib_scaled)"
    nodes = parser.parse_graph(
        "head (float[N, C] logits) => (float[N, C] probabilities) {"
        f"calib_scaled = Div(logits, calib_temperature) probabilities = {activation} }}"
    )
    graph.node.extend(nodes.node)
    graph.initializer.append(
        numpy_helper.from_array(np.array(temperature, np.float32), "calib_temperature")
    )


def _ancestors(graph: onnx.GraphProto, names: set[str]) -> set[str]:
    """Return the names of all values that ``names`` are computed from, themselves included."""
    ancestors = set(names)
    producers = {name: node for node in graph.node for name in node.output}
    pending = list(names)
    while pending:
        node = producers.get(pending.pop())
        for name in _inputs(node) if node else ():
            if name not in ancestors:
                ancestors.add(name)
                pending.append(name)
    return ancestors


def _inputs(node: onnx.NodeProto) -> list[str]:
    """Return the names that a node reads, including inside its subgraphs."""
    names = list(node.input)
    for attribute in node.attribute:
        for graph in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
            names += [name for inner in graph.node for name in _inputs(inner)]
    return names


def _prune(graph: onnx.GraphProto, needed: set[str]) -> None:
    """Remove the nodes, initializers and shapes of values that are not needed."""
    for field, names in (
        (graph.node, lambda node: node.output),
        (graph.initializer, lambda initializer: [initializer.name]),
        (graph.value_info, lambda value: [value.name]),
    ):
        remaining = [item for item in field if needed & set(names(item))]
        del field[:]
        field.extend(remaining)


def write_calibration(
    draft: ManifestDraft, folder: Path, result: CalibrationResult
) -> ManifestDraft:
    """Rewrite ``graph.onnx`` and ``golden.npz`` in ``folder``, and return the new draft.

    Args:
        draft: the manifest without the calibration. Metrics measured by others stay.
        folder: an unpublished bundle with its graph and its golden outputs.
        result: the calibration and its figures.
    """
    _rewrite_graph(folder, result.calibration.temperature, result.detector)
    others = [metric for metric in draft.metrics if not metric.by.startswith(MEASURED_BY)]
    return draft.model_copy(
        update={
            "calibration": result.calibration,
            "metrics": (*(one for one in result.metrics if one.name != "shown"), *others),
            "card": result.card,
        }
    )


def write_temperature(draft: ManifestDraft, folder: Path, estimate: Calibration) -> ManifestDraft:
    """Write an estimated temperature as ``write_calibration`` writes a measured calibration."""
    _rewrite_graph(folder, estimate.temperature, None)
    return draft.model_copy(update={"calibration": estimate})


def _rewrite_graph(folder: Path, temperature: float, detector: Detector | None) -> None:
    """Replace the head of ``graph.onnx``, and what ``golden.npz`` says of its outputs.

    Probabilities are computed from those logits, not by the graph, so that the golden test
    still compares the graph with the learner.
    """
    path = folder / "graph.onnx"
    graph = attach_head(path.read_bytes(), temperature, detector, multilabel=False)
    path.write_bytes(graph)
    path = folder / "golden.npz"
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as golden:
        pixels, logits = golden["pixels"], golden["logits"]
    arrays: dict[str, Any] = {"pixels": pixels, "logits": logits}
    arrays["probabilities"] = probabilities(logits, temperature).astype(np.float32)
    if detector:
        session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
        scores = [session.run(["novelty"], {"pixels": photo[None]})[0][0] for photo in pixels]
        arrays["novelty"] = np.array(scores, np.float32)
    np.savez_compressed(path, **arrays)
