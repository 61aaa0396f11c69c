"""OOD detectors: scores that tell photos of none of the labels; higher is more likely OOD.

A fitted detector is a piece of an ONNX graph, from ``features`` and ``logits`` to
``novelty`` (the OOD score), written in ONNX's own text format. The nodes compared here
are the nodes that run later, on every engine. To add a detector, write a function of
type ``FitDetector`` and list it in ``DETECTORS``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper, numpy_helper, parser

from ..browser.small_graph import EXACT
from .graph_outputs import Floats, GraphOutputs

OPSET = 18
MAX_DETECTOR_BYTES = 500_000
"""Most bytes that a bundle's detector may add to its graph."""

SUBSPACE_AXES = 64
GATE_QUANTILE = 0.98
"""Share of held-out photos inside the gate; the value was chosen on clothes."""

GATE_SLOPE = 20.0
"""Weight of the distance beyond the gate against the margin, each in units of its spread."""

Rows = TypeVar("Rows", Floats, NDArray[np.float64])
Tensors = dict[str, NDArray[np.generic]]
AXIS: Tensors = {"calib_axis": np.array([1], np.int64)}


@dataclass(frozen=True)
class Detector:
    """A fitted OOD score: ``nodes_text`` in ONNX's text format, and its tensors by name."""

    name: str
    nodes_text: str
    tensors: Tensors

    @property
    def size_bytes(self) -> int:
        """Bytes that its tensors add to a graph."""
        return sum(array.nbytes for array in self.tensors.values())

    def graph(self) -> onnx.GraphProto:
        """Return the graph from ``features`` and ``logits`` to ``novelty``."""
        signature = "score (float[N, D] features, float[N, C] logits) => (float[N] novelty)"
        graph = parser.parse_graph(f"{signature} {{ {self.nodes_text} }}")
        tensors = (numpy_helper.from_array(array, name) for name, array in self.tensors.items())
        graph.initializer.extend(tensors)
        return graph

    @cached_property
    def _ort_session(self) -> ort.InferenceSession:
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(self.graph(), opset_imports=[opset], ir_version=10)
        options = ort.SessionOptions()
        # ONNX Runtime warns about inputs that a detector doesn't use.
        options.log_severity_level = 4
        return ort.InferenceSession(model.SerializeToString(), options)

    def __call__(self, outputs: GraphOutputs) -> Floats:
        """Return the OOD scores of photos, float32 [N]."""
        inputs = {"features": outputs.features, "logits": outputs.logits}
        scores: Floats = self._ort_session.run(["novelty"], inputs)[0]
        return scores


FitDetector = Callable[[GraphOutputs, GraphOutputs], Detector]
"""Function that fits a detector to reference photos, which the network may have been trained
on, and held-out photos. If there is only one set, both arguments are the same object."""


def maximum_probability(*_: GraphOutputs) -> Detector:
    """Score by the highest softmax probability, negated.

    Source: Hendrycks and Gimpel, A Baseline for Detecting Misclassified and
    Out-of-Distribution Examples in Neural Networks, 2017.
    """
    nodes_text = """
        calib_softmax = Softmax <axis = 1> (logits)
        calib_highest = ReduceMax <keepdims = 0> (calib_softmax, calib_axis)
        novelty = Neg(calib_highest)
    """
    return Detector("maximum probability", nodes_text, AXIS)


SUBSPACE_NODES = """
    calib_unit = LpNormalization <axis = 1, p = 2> (features)
    calib_centred = Sub(calib_unit, calib_mean)
    calib_projected = MatMul(calib_centred, calib_axes)
    calib_square = ReduceSumSquare <keepdims = 0> (calib_centred, calib_axis)
    calib_inside = ReduceSumSquare <keepdims = 0> (calib_projected, calib_axis)
    calib_outside = Sub(calib_square, calib_inside)
    calib_positive = Max(calib_outside, calib_zero)
    calib_distance = Sqrt(calib_positive)
"""


@lru_cache(maxsize=2)
def subspace_distance(reference: GraphOutputs) -> Detector:
    """Score by the distance from the subspace in which the unit features vary.

    ``gated_margin`` builds on it; it is not one of the ``DETECTORS`` itself.

    Source: Wang et al., ViM: Out-Of-Distribution with Virtual-logit Matching, 2022
    (the residual).
    """
    features = unit_rows(reference.features)
    count, width = features.shape
    axes = min(SUBSPACE_AXES, count // 4, width // 2)
    axes = min(axes, (MAX_DETECTOR_BYTES - 2000) // (4 * width) - 1)
    mean = features.mean(axis=0)
    _, _, directions = np.linalg.svd(features - mean, full_matrices=False)
    tensors = {
        **AXIS,
        "calib_mean": mean,
        "calib_axes": np.ascontiguousarray(directions[: max(1, axes)].T),
        "calib_zero": np.array(0, np.float32),
    }
    return Detector("residual", SUBSPACE_NODES + "novelty = Identity(calib_distance)", tensors)


MARGIN_NODES = """
    calib_top, calib_top_places = TopK <axis = 1> (logits, calib_two)
    calib_first, calib_second = Split <axis = 1, num_outputs = 2> (calib_top)
    calib_difference = Sub(calib_first, calib_second)
    calib_margin = Squeeze(calib_difference, calib_axis)
    calib_excess = Sub(calib_distance, calib_gate)
    calib_beyond = Relu(calib_excess)
    calib_penalty = Mul(calib_beyond, calib_slope)
    novelty = Sub(calib_penalty, calib_margin)
"""


def gated_margin(reference: GraphOutputs, held_out: GraphOutputs) -> Detector:
    """Score by the margin between the first two logits and, beyond a gate, by the distance.

    The margin detects photos between two labels, the subspace distance those far from all
    labels. Each misses what the other one catches, and a sum blurs both.

    Source: Scheffer et al., Active Hidden Markov Models for Information Extraction, 2001
    (the margin); the distance as in ``subspace_distance``.
    """
    if held_out is reference:
        # Photos are closer to a subspace fitted to themselves than any new photo is.
        places = np.random.default_rng(0).permutation(len(reference))
        half = (len(reference) + 1) // 2
        reference, held_out = reference.subset(places[:half]), reference.subset(places[half:])
    distance = subspace_distance(reference)
    distances = distance(held_out)
    first_two = np.sort(held_out.logits, axis=1)[:, -2:]
    spread = float((first_two[:, 1] - first_two[:, 0]).std()) / max(float(distances.std()), 1e-6)
    tensors: Tensors = {
        **distance.tensors,
        "calib_two": np.array([2], np.int64),
        "calib_gate": np.array(np.quantile(distances, GATE_QUANTILE), np.float32),
        "calib_slope": np.array(GATE_SLOPE * max(spread, 1e-6), np.float32),
    }
    return Detector("margin, gated by residual", SUBSPACE_NODES + MARGIN_NODES, tensors)


def mean_cosine(means: Floats) -> Detector:
    """Score by the highest cosine to a label's mean, negated; what taught models have.

    It isn't one of the ``DETECTORS``: teaching fits the means, float32 [labels, D] of length one.
    """
    nodes_text = f"""
        calib_unit = LpNormalization <axis = 1, p = 2> (features)
        calib_cosines = MatMul(calib_unit, {EXACT}means)
        calib_nearest = ReduceMax <keepdims = 0> (calib_cosines, calib_axis)
        novelty = Neg(calib_nearest)
    """
    tensors = {**AXIS, f"{EXACT}means": np.ascontiguousarray(means.T)}
    return Detector("cosine to the label's mean", nodes_text, tensors)


def unit_rows(rows: Rows) -> Rows:
    """Scale rows [N, D] to length one."""
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    normalized: Rows = (rows / lengths).astype(rows.dtype, copy=False)  # NumPy 2.5 infers float64
    return normalized


DETECTORS: tuple[FitDetector, ...] = (maximum_probability, gated_margin)

DEFAULT_DETECTOR: FitDetector = gated_margin
"""The detector that is used if there are no OOD photos to choose one with."""
