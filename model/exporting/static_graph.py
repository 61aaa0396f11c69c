"""A bundle's graph for one photo at a time, with some of its outputs: what converters take."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import onnx
import onnx.utils
import onnxruntime as ort

__all__ = ["make_static_graph"]


def make_static_graph(graph: bytes, outputs: Sequence[str]) -> bytes:
    """Return the graph for pixels [1, height, width, 3], without what only other outputs need.

    Nodes that compute the number of photos become constants, which converters can't do themselves.

    Args:
        graph: an ONNX model, self-contained.
        outputs: names of the outputs to keep.
    """
    model = onnx.load_from_string(graph)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    # Shapes in between still have the number of photos as a variable.
    del model.graph.value_info[:]
    model = onnx.utils.Extractor(model).extract_model(["pixels"], list(outputs))
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # The level above would use operators of ONNX Runtime's own.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        options.optimized_model_filepath = str(path)
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return path.read_bytes()
