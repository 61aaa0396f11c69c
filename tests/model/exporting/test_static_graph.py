"""The graph for one photo: same outputs, fixed shapes, no nodes of other outputs."""

import numpy as np
import onnx
import pytest

from model import Bundle, Classifier
from model.browser.device_files import run_graph
from model.exporting.tflite_format import make_static_graph


def test_outputs_match_the_full_graph(imagenet: Classifier) -> None:
    graph = imagenet.bundle.read("graph.onnx")
    pixels = imagenet.bundle.golden.pixels[:2]
    static = make_static_graph(graph, ["probabilities"])
    expected, found = (run_graph(data, pixels) for data in (graph, static))
    assert list(found) == ["probabilities"]
    assert np.abs(found["probabilities"] - expected["probabilities"]).max() < 1e-5


def test_nothing_depends_on_the_number_of_photos(imagenet: Classifier) -> None:
    static = make_static_graph(imagenet.bundle.read("graph.onnx"), ["probabilities"])
    graph = onnx.load_from_string(static).graph
    height, width = imagenet.bundle.manifest.recipe.size
    assert [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] == [1, height, width, 3]
    assert [d.dim_value for d in graph.output[0].type.tensor_type.shape.dim] == [1, 1000]
    assert not {node.op_type for node in graph.node} & {"Shape", "Range"}
    assert {node.domain for node in graph.node} <= {"", "ai.onnx"}


@pytest.mark.parametrize("outputs", [["probabilities"], ["probabilities", "novelty"]])
def test_only_the_named_outputs_stay(calibrated_bundle: Bundle, outputs: list[str]) -> None:
    graph = calibrated_bundle.read("graph.onnx")
    static = onnx.load_from_string(make_static_graph(graph, outputs)).graph
    assert [item.name for item in static.output] == outputs
    uses_score = any("novelty" in node.output for node in static.node)
    assert uses_score == ("novelty" in outputs)
