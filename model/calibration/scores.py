"""Ways to tell that a photo is of nothing that a model knows: higher is stranger.

Each is a piece of graph from ``features`` and ``logits`` to ``novelty`` with its
numbers, written in ONNX's own text. What is compared here is what runs later, on
every engine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, parser

from .outputs import Floats, Outputs

__all__ = ["DEFAULT", "MOST_BYTES", "OPSET", "SCORES", "Score", "logit_nodes"]

OPSET = 18
MOST_BYTES = 500_000
"""What a bundle's novelty may weigh."""

PROTOTYPES = 200
AXES = 64
NEIGHBOURS = 10


@dataclass(frozen=True)
class Score:
    """A fitted score: nodes in ONNX's text, and their numbers by name."""

    name: str
    text: str
    numbers: dict[str, NDArray[np.generic]]

    @property
    def bytes(self) -> int:
        """What its numbers weigh."""
        return sum(array.nbytes for array in self.numbers.values())

    def nodes(self) -> list[onnx.NodeProto]:
        """From ``features`` and ``logits`` to ``novelty``."""
        signature = "score (float[N, D] features, float[N, C] logits) => (float[N] novelty)"
        return list(parser.parse_graph(f"{signature} {{ {self.text} }}").node)

    def initializers(self) -> list[onnx.TensorProto]:
        """The numbers."""
        return [numpy_helper.from_array(array, name) for name, array in self.numbers.items()]

    @cached_property
    def _session(self) -> ort.InferenceSession:
        graph = helper.make_graph(
            self.nodes(),
            "score",
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", None])
                for name in ("features", "logits")
            ],
            [helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["N"])],
            self.initializers(),
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10
        )
        options = ort.SessionOptions()
        # A score may leave an input unused, and says so loudly.
        options.log_severity_level = 4
        return ort.InferenceSession(model.SerializeToString(), options)

    def __call__(self, features: Floats, logits: Floats) -> Floats:
        """Novelty, float32 [N], of features [N, D] and logits [N, labels]."""
        found: Floats = self._session.run(["novelty"], {"features": features, "logits": logits})[0]
        return found


Fit = Callable[[Outputs], Score]
"""From what the graph gives for known photos to a score."""


def logit_nodes(temperature: float, multilabel: bool) -> tuple[str, dict[str, Floats]]:
    """From ``logits`` to ``probabilities``."""
    last = "Sigmoid(trust_calm)" if multilabel else "Softmax <axis = 1> (trust_calm)"
    text = f"trust_calm = Div(logits, trust_temperature) probabilities = {last}"
    return text, {"trust_temperature": np.array(temperature, np.float32)}


def _axis() -> dict[str, NDArray[np.generic]]:
    return {"trust_axis": np.array([1], np.int64)}


def maximum_probability(_: Outputs) -> Score:
    """Source: Hendrycks and Gimpel, A Baseline for Detecting Misclassified …, 2017."""
    text = """
        trust_share = Softmax <axis = 1> (logits)
        trust_most = ReduceMax <keepdims = 0> (trust_share, trust_axis)
        novelty = Neg(trust_most)
    """
    return Score("maximum probability", text, _axis())


def maximum_logit(_: Outputs) -> Score:
    """Source: Hendrycks et al., Scaling Out-of-Distribution Detection …, 2022."""
    text = """
        trust_most = ReduceMax <keepdims = 0> (logits, trust_axis)
        novelty = Neg(trust_most)
    """
    return Score("maximum logit", text, _axis())


def energy(_: Outputs) -> Score:
    """Source: Liu et al., Energy-based Out-of-distribution Detection, 2020."""
    text = """
        trust_all = ReduceLogSumExp <keepdims = 0> (logits, trust_axis)
        novelty = Neg(trust_all)
    """
    return Score("energy", text, _axis())


NEAREST = """
    trust_unit = LpNormalization <axis = 1, p = 2> (features)
    trust_likeness = MatMul(trust_unit, trust_keys)
    trust_best, trust_where = TopK <axis = 1> (trust_likeness, trust_count)
    trust_near = ReduceMean <keepdims = 0> (trust_best, trust_axis)
"""


def neighbours(known: Outputs) -> Score:
    """Ten nearest known photos, by cosine. Source: Sun et al., Deep Nearest Neighbors, 2022."""
    count = min(NEIGHBOURS, len(known))
    numbers = {
        **_axis(),
        "trust_keys": np.ascontiguousarray(_unit(known.features).T),
        "trust_count": np.array([count], np.int64),
    }
    return Score("nearest neighbours", NEAREST + "novelty = Neg(trust_near)", numbers)


def _prototypes(features: Floats) -> dict[str, NDArray[np.generic]]:
    """Centres of the known photos, as 8-bit numbers: [D, P] and their scale."""
    from sklearn.cluster import KMeans

    count = min(PROTOTYPES, max(1, len(features) // 4))
    count = min(count, max(1, (MOST_BYTES - 4000) // features.shape[1]))
    centres = KMeans(count, n_init=1, max_iter=50, random_state=0).fit(_unit(features))
    keys = _unit(centres.cluster_centers_.astype(np.float32)).T
    scale = float(np.abs(keys).max()) / 127 or 1.0
    return {
        **_axis(),
        "trust_codes": np.round(keys / scale).astype(np.int8),
        "trust_scale": np.array(scale, np.float32),
        "trust_count": np.array([1], np.int64),
    }


CODED = "trust_keys = DequantizeLinear(trust_codes, trust_scale)" + NEAREST


def prototypes(known: Outputs) -> Score:
    """The nearest of a few hundred centres: as neighbours, at a fraction of the bytes."""
    return Score("prototypes", CODED + "novelty = Neg(trust_near)", _prototypes(known.features))


def guided(known: Outputs) -> Score:
    """The nearest centre and the largest logit, each in units of its spread.

    Features tell things of another kind, logits tell things between two labels.
    Source of the idea: Park et al., Nearest Neighbor Guidance, 2023.
    """
    numbers = _prototypes(known.features)
    near = -Score("", CODED + "novelty = Neg(trust_near)", numbers)(known.features, known.logits)
    most = known.logits.max(axis=1)
    numbers["trust_weights"] = np.array(
        [1 / max(float(near.std()), 1e-6), 1 / max(float(most.std()), 1e-6)], np.float32
    )
    text = (
        CODED
        + """
        trust_most = ReduceMax <keepdims = 0> (logits, trust_axis)
        trust_first, trust_second = Split <axis = 0, num_outputs = 2> (trust_weights)
        trust_a = Mul(trust_near, trust_first)
        trust_b = Mul(trust_most, trust_second)
        trust_sum = Add(trust_a, trust_b)
        novelty = Neg(trust_sum)
    """
    )
    return Score("prototypes and maximum logit", text, numbers)


def _residual(features: Floats) -> dict[str, NDArray[np.generic]]:
    """The mean of the known photos, float32 [D], and the axes along which they vary [D, K]."""
    count, width = features.shape
    axes = min(AXES, count // 4, width // 2, (MOST_BYTES - 2000) // (4 * width) - 1)
    middle = features.mean(axis=0)
    _, _, along = np.linalg.svd(features - middle, full_matrices=False)
    return {
        **_axis(),
        "trust_middle": middle,
        "trust_along": np.ascontiguousarray(along[: max(1, axes)].T),
        "trust_zero": np.array(0, np.float32),
    }


RESIDUAL = """
    trust_moved = Sub(features, trust_middle)
    trust_inside = MatMul(trust_moved, trust_along)
    trust_whole = ReduceSumSquare <keepdims = 0> (trust_moved, trust_axis)
    trust_part = ReduceSumSquare <keepdims = 0> (trust_inside, trust_axis)
    trust_left = Sub(trust_whole, trust_part)
    trust_real = Max(trust_left, trust_zero)
    trust_off = Sqrt(trust_real)
"""


def residual(known: Outputs) -> Score:
    """How far features are from the axes along which those of known photos vary.

    Source: Wang et al., ViM: Out-Of-Distribution with Virtual-logit Matching, 2022.
    """
    text = RESIDUAL + "novelty = Identity(trust_off)"
    return Score("residual", text, _residual(known.features))


def virtual_logit(known: Outputs) -> Score:
    """The residual, in units of logits, against the energy. Source: as of the residual."""
    numbers = _residual(known.features)
    off = Score("", RESIDUAL + "novelty = Identity(trust_off)", numbers)(
        known.features, known.logits
    )
    unit = float(known.logits.max(axis=1).mean()) / max(float(off.mean()), 1e-6)
    numbers["trust_unit"] = np.array(max(unit, 1e-6), np.float32)
    text = (
        RESIDUAL
        + """
        trust_all = ReduceLogSumExp <keepdims = 0> (logits, trust_axis)
        trust_virtual = Mul(trust_off, trust_unit)
        novelty = Sub(trust_virtual, trust_all)
    """
    )
    return Score("virtual logit", text, numbers)


def mahalanobis(known: Outputs) -> Score:
    """Distance to the nearest label's centre, whitened. Source: Lee et al., 2018."""
    from sklearn.covariance import ledoit_wolf

    labels = np.unique(known.targets)
    centres = np.stack([known.features[known.targets == label].mean(axis=0) for label in labels])
    rest = known.features - centres[np.searchsorted(labels, known.targets)]
    covariance, _ = ledoit_wolf(rest.astype(np.float64))
    values, vectors = np.linalg.eigh(covariance)
    white = (vectors / np.sqrt(np.maximum(values, 1e-9))).astype(np.float32)
    moved = centres.astype(np.float32) @ white
    numbers = {
        **_axis(),
        "trust_white": white,
        "trust_centres": np.ascontiguousarray(moved.T * np.float32(-2)),
        "trust_lengths": (moved**2).sum(axis=1),
    }
    text = """
        trust_moved = MatMul(features, trust_white)
        trust_length = ReduceSumSquare <keepdims = 1> (trust_moved, trust_axis)
        trust_cross = MatMul(trust_moved, trust_centres)
        trust_part = Add(trust_cross, trust_lengths)
        trust_distance = Add(trust_part, trust_length)
        novelty = ReduceMin <keepdims = 0> (trust_distance, trust_axis)
    """
    return Score("Mahalanobis", text, numbers)


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit.astype(np.float32)


SCORES: tuple[Fit, ...] = (
    maximum_probability,
    maximum_logit,
    energy,
    neighbours,
    prototypes,
    guided,
    residual,
    virtual_logit,
    mahalanobis,
)

DEFAULT: Fit = guided
"""Where there are no strangers to choose with."""
