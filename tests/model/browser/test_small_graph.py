"""The small graph: the same network, a quarter of the bytes, no local paths."""

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from model import Classifier
from model.browser.device_files import run_graph
from model.browser.small_graph import quantize, round_matrix
from model.bundle import get_bundle
from model.photo import read
from model.preprocess import preprocess
from model.samples import samples
from tests.model.browser.networks import small_graph


@pytest.fixture(scope="module")
def full(imagenet: Classifier) -> bytes:
    return imagenet.bundle.read("graph.onnx")


@pytest.fixture(scope="module")
def small() -> bytes:
    return small_graph("imagenet")


def test_small_graph_is_a_quarter_with_the_same_interface_and_no_notes(
    full: bytes, small: bytes
) -> None:
    assert len(small) < 0.3 * len(full)
    before, after = (onnx.load_from_string(graph).graph for graph in (full, small))
    assert [item.name for item in after.input] == [item.name for item in before.input]
    assert [item.name for item in after.output] == [item.name for item in before.output]
    assert not onnx.load_from_string(small).metadata_props
    assert not any(node.doc_string or node.metadata_props for node in after.node)
    assert b"site-packages" not in small


def test_samples_get_the_same_answer(imagenet: Classifier, full: bytes, small: bytes) -> None:
    recipe = imagenet.bundle.manifest.recipe
    pixels = np.stack([preprocess(read(sample.read()).image, recipe) for sample in samples()])
    answers = [run_graph(graph, pixels)["probabilities"] for graph in (full, small)]
    assert [row.argmax() for row in answers[0]] == [row.argmax() for row in answers[1]]
    assert np.abs(answers[0] - answers[1]).max() < 0.1


def test_large_weights_are_int8_with_a_scale_per_channel(small: bytes) -> None:
    graph = onnx.load_from_string(small).graph
    values = {item.name: item for item in graph.initializer}
    widened = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    assert widened
    for node in widened:
        weight, scale = (values[name] for name in node.input)
        (axis,) = (item.i for item in node.attribute if item.name == "axis")
        assert weight.data_type == TensorProto.INT8
        assert numpy_helper.to_array(scale).shape == (weight.dims[axis],)


@pytest.mark.parametrize("axis", [0, 1])
def test_quantizing_errs_by_half_a_step_except_for_outliers(axis: int) -> None:
    random = np.random.default_rng(4)
    values: NDArray[np.float32] = random.normal(size=(6, 400)).astype(np.float32)
    values = np.moveaxis(values, 0, axis) if axis else values
    integers, scales = quantize(values, axis)
    assert scales.shape == (values.shape[axis],)
    steps = np.expand_dims(scales, 1 - axis)
    error = np.abs(integers * steps - values)
    inside = np.abs(integers) < 127
    assert (error <= 0.5001 * steps)[inside].all()
    assert inside.mean() > 0.98
    integers, scales = quantize(np.zeros((2, 3), np.float32), axis)
    assert not integers.any()
    assert np.isfinite(scales).all()


def test_rounded_matrix_is_the_one_in_the_graph() -> None:
    graph = get_bundle("clothing").read("graph.onnx")
    full, small = (
        {
            item.name: numpy_helper.to_array(item)
            for item in onnx.load_from_string(data).graph.initializer
        }
        for data in (graph, small_graph("clothing"))
    )
    # The only one that is multiplied is the detector's, whatever it is called.
    nodes = onnx.load_from_string(graph).graph.node
    (name,) = (node.input[1] for node in nodes if node.op_type == "MatMul")
    axes = full[name]
    rounded = small[f"{name}_int8"] * small[f"{name}_scale"]
    assert np.array_equal(round_matrix(axes), rounded)
    assert not np.array_equal(rounded, axes)
    # Vectors and small matrices are stored as they are.
    for values in (axes[:, 0], axes[:4]):
        assert round_matrix(values) is values
