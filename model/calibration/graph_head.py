"""The graph head: ONNX nodes from logits and features to probabilities and the OOD score."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, parser

from ..errors import BundleDamaged
from .ood_detectors import OPSET, Detector

__all__ = ["attach_head"]


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
    probabilities = onnx.ValueInfoProto()
    probabilities.CopyFrom(outputs["logits"])
    probabilities.name = "probabilities"
    model.graph.output.extend([outputs["logits"], outputs["features"], probabilities])
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
