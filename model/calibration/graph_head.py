"""The last nodes of a graph: from logits and features to probabilities and novelty."""

import onnx
from onnx import TensorProto, helper, numpy_helper, parser, utils

from ..errors import BundleDamaged
from .scores import OPSET, Score, logit_nodes

__all__ = ["attach_head", "extract_head"]

MADE = {"probabilities", "novelty"}


def attach_head(graph: bytes, temperature: float, score: Score | None, multilabel: bool) -> bytes:
    """The same graph with other last nodes; a former tail is replaced.

    Args:
        graph: ONNX with outputs ``logits`` and ``features``.
        temperature: what logits are divided by.
        score: computes ``novelty``; None for a graph without it.

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
            f"The graph has operators of version {opset}, and calibration adds some of {OPSET}. "
            "Import the model again."
        )
    _keep(model.graph, needed=_ancestors(model.graph, {"logits", "features"}))
    text, numbers = logit_nodes(temperature, multilabel)
    signature = "tail (float[N, C] logits) => (float[N, C] probabilities)"
    model.graph.node.extend(parser.parse_graph(f"{signature} {{ {text} }}").node)
    model.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in numbers.items()
    )
    del model.graph.output[:]
    shares = onnx.ValueInfoProto()
    shares.CopyFrom(outputs["logits"])
    shares.name = "probabilities"
    model.graph.output.extend([outputs["logits"], outputs["features"], shares])
    if score is not None:
        model.graph.node.extend(score.nodes())
        model.graph.initializer.extend(score.initializers())
        model.graph.output.append(
            helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["N"])
        )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def extract_head(graph: bytes) -> bytes:
    """The part from ``logits`` and ``features`` on, as a graph of its own."""
    model = onnx.load_from_string(graph)
    made = [output.name for output in model.graph.output if output.name in MADE]
    part = utils.Extractor(model).extract_model(["logits", "features"], made)
    return bytes(part.SerializeToString())


def _ancestors(graph: onnx.GraphProto, wanted: set[str]) -> set[str]:
    """Names of all values that ``wanted`` is computed from, itself included."""
    found, maker = set(wanted), {name: node for node in graph.node for name in node.output}
    waiting = list(wanted)
    while waiting:
        node = maker.get(waiting.pop())
        for name in _inputs(node) if node else ():
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found


def _inputs(node: onnx.NodeProto) -> list[str]:
    """What a node reads, also within the branches that it holds."""
    names = list(node.input)
    for attribute in node.attribute:
        for graph in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
            names += [name for inner in graph.node for name in _inputs(inner)]
    return names


def _keep(graph: onnx.GraphProto, needed: set[str]) -> None:
    """Take away the nodes and numbers that nothing needed comes from."""
    for field, names in (
        (graph.node, lambda node: node.output),
        (graph.initializer, lambda number: [number.name]),
        (graph.value_info, lambda value: [value.name]),
    ):
        kept = [one for one in field if needed & set(names(one))]
        del field[:]
        field.extend(kept)
