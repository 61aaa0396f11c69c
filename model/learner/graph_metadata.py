"""Metadata of ONNX graphs."""

from onnx import ModelProto


def strip_metadata(model: ModelProto) -> None:
    """Remove the exporter's notes on each node, which contain paths of the machine it ran on."""
    graph = model.graph
    parts = (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info)
    for part in (*parts, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
