"""The small graph: the same network with weights of 8 bits, for download to a device.

Weights are stored as int8 with one scale per output channel and widened to float32 by
``DequantizeLinear`` nodes. A runtime that folds constants (ONNX Runtime with
``session.disable_quant_qdq=1``) does that once at load and then runs at the full graph's speed.
Activations stay float32, so the answers stay close. Its features are a base for teaching, by their
hash.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper

from ..errors import BundleDamaged
from ..learner import strip_metadata
from ..preprocess import PreprocessConfig

Float32 = NDArray[np.float32]

OUTPUT_AXIS = {"Conv": 0, "ConvTranspose": 1}
"""The axis of a weight that holds the output channels; Gemm and MatMul are worked out."""

MIN_VALUES = 1024
"""Smaller weights stay float32: they save nothing and some are sensitive."""

EXACT = "few_shot_"
"""Prefix of weights that stay float32: on a phone, a few-shot head is not rounded either."""

CLIPS = np.linspace(0.5, 1.0, 26, dtype=np.float32)
"""Shares of a channel's largest weight that are tried as its clipping point."""


def make_small_graph(graph: bytes) -> bytes:
    """Return an ONNX graph with the weights of Conv, Gemm and MatMul as int8, a quarter as big."""
    model = onnx.load_from_string(graph)
    weights = {item.name: item for item in model.graph.initializer}
    uses = Counter(name for node in model.graph.node for name in node.input)
    nodes, small = [], []
    for name, axis in _weight_axes(model):
        if name not in weights or name.startswith(EXACT):
            continue
        values = numpy_helper.to_array(weights[name])
        if not _is_rounded(values) or uses[name] != 1:
            continue
        integers, scales = quantize(values, axis)
        small += [
            numpy_helper.from_array(integers, f"{name}_int8"),
            numpy_helper.from_array(scales, f"{name}_scale"),
        ]
        # It takes the weight's name, so that no other node needs to change.
        nodes.append(
            helper.make_node(
                "DequantizeLinear", [f"{name}_int8", f"{name}_scale"], [name], axis=axis
            )
        )
        del weights[name]
    kept = [item for item in model.graph.initializer if item.name in weights]
    graph_nodes = [*nodes, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:], model.graph.value_info[:]
    model.graph.initializer.extend([*kept, *small])
    model.graph.node.extend(graph_nodes)
    strip_metadata(model)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def with_temperature(graph: bytes, temperature: float) -> bytes:
    """Return a calibrated graph with another temperature.

    Raises:
        BundleDamaged: its probabilities aren't computed as calibration does.
    """
    model = onnx.load_from_string(graph)
    producers = {name: node for node in model.graph.node for name in node.output}
    activation = producers.get("probabilities")
    division = producers.get(activation.input[0]) if activation else None
    tensor = division and next(
        (item for item in model.graph.initializer if item.name == division.input[-1]), None
    )
    if not division or division.op_type != "Div" or not tensor or list(tensor.dims):
        raise BundleDamaged("The graph has no temperature. Calibrate the model again.")
    tensor.CopyFrom(numpy_helper.from_array(np.array(temperature, np.float32), tensor.name))
    return bytes(model.SerializeToString())


def round_matrix(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the right-hand matrix of a MatMul as the small graph computes with it."""
    if not _is_rounded(values):
        return values
    integers, scales = quantize(values.astype(np.float32), 1)
    return integers * scales


def _is_rounded(values: NDArray[np.generic]) -> bool:
    return values.dtype == np.float32 and values.ndim > 1 and values.size >= MIN_VALUES


def quantize(values: Float32, axis: int) -> tuple[NDArray[np.int8], Float32]:
    """Return int8 values and the scale of each channel along ``axis``.

    The clipping point of each channel is the one of ``CLIPS`` with the least squared error: a few
    outliers would otherwise cost all other weights their precision.
    """
    channels = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
    largest = np.abs(channels).max(axis=1)
    best_scale = np.ones_like(largest)
    best_error = np.full(largest.shape, np.inf)
    for clip in CLIPS:
        scale = np.where(largest > 0, largest * clip / 127, 1).astype(np.float32)
        rounded = np.clip(np.rint(channels / scale[:, None]), -127, 127)
        # In float64, so that machines that add up in another order choose the same point.
        error = ((rounded * scale[:, None] - channels) ** 2).sum(axis=1, dtype=np.float64)
        is_better = error < best_error
        best_scale, best_error = (
            np.where(is_better, scale, best_scale),
            np.where(is_better, error, best_error),
        )
    shape = [1] * values.ndim
    shape[axis] = -1
    integers = np.clip(np.rint(values / best_scale.reshape(shape)), -127, 127).astype(np.int8)
    return integers, best_scale.astype(np.float32)


def _weight_axes(model: ModelProto) -> Iterator[tuple[str, int]]:
    """Yield the name of each weight with the axis of its output channels."""
    for node in model.graph.node:
        if len(node.input) < 2 or node.domain not in ("", "ai.onnx"):
            continue
        if node.op_type in OUTPUT_AXIS:
            yield node.input[1], OUTPUT_AXIS[node.op_type]
        elif node.op_type == "Gemm":
            is_turned = any(item.name == "transB" and item.i for item in node.attribute)
            yield node.input[1], 0 if is_turned else 1
        elif node.op_type == "MatMul":
            yield node.input[1], 1


# By base: the cosine to a label's mean from which a photo is known, while too few photo groups were
# left out to promise anything; and the cosine from which two photos of one label are near copies.
# Chosen by benchmarks/teaching.py (docs/teaching.md). One more base is one more line.
BASES: dict[str, tuple[float, float]] = {
    "imagenet": (0.45, 0.95),
}


def describe_features(
    name: str, recipe: PreprocessConfig, small_graph: bytes
) -> dict[str, Any] | None:
    """Return ``features`` of ``model.json``; None for a graph that can't be a base.

    The hash is of what computes ``features`` from a photo: the recipe and the graph's nodes with
    their attributes and tensors, but not their names. So a recalibrated base has the same one.
    """
    model = onnx.load_from_string(small_graph)
    output = next((item for item in model.graph.output if item.name == "features"), None)
    size = output.type.tensor_type.shape.dim[-1].dim_value if output else 0
    if not size:
        return None
    digests = {
        item.name: _digest(item.type.SerializeToString(deterministic=True))
        for item in model.graph.input
    }
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        digests[tensor.name] = _digest(str(values.dtype), values.shape, values.tobytes())
    for node in model.graph.node:
        inputs = [digests.get(name, "") for name in node.input]
        attributes = sorted(item.SerializeToString(deterministic=True) for item in node.attribute)
        for place, output in enumerate(node.output):
            digests[output] = _digest(node.domain, node.op_type, attributes, inputs, place)
    opset = sorted((entry.domain, entry.version) for entry in model.opset_import)
    # Without defaults, so that a new field of recipes doesn't change it.
    fields = sorted(recipe.model_dump(mode="json", exclude_defaults=True).items())
    digest = _digest(fields, opset, digests["features"])
    cosine, near_copy = BASES.get(name, BASES["imagenet"])
    return {"size": size, "sha256": digest, "fallback_cosine": cosine, "near_copy": near_copy}


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
