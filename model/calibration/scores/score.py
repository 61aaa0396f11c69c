"""A score for strangers: a piece of graph with its numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, parser

from ..graph_outputs import Floats, Outputs

__all__ = ["MOST_BYTES", "OPSET", "Fit", "Numbers", "Score", "axis", "logit_nodes", "unit"]

OPSET = 18
MOST_BYTES = 500_000
"""What a bundle's novelty may weigh."""

Numbers = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Score:
    """A fitted score: nodes in ONNX's text, and their numbers by name."""

    name: str
    text: str
    numbers: Numbers

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


Fit = Callable[[Outputs, Outputs], Score]
"""From what the graph gives for known photos to a score. The second argument are known
photos that the network did not learn from; where it is the first, there are no others."""


def logit_nodes(temperature: float, multilabel: bool) -> tuple[str, dict[str, Floats]]:
    """From ``logits`` to ``probabilities``."""
    last = "Sigmoid(trust_calm)" if multilabel else "Softmax <axis = 1> (trust_calm)"
    text = f"trust_calm = Div(logits, trust_temperature) probabilities = {last}"
    return text, {"trust_temperature": np.array(temperature, np.float32)}


def axis() -> Numbers:
    """The number of the axis that holds a photo's values."""
    return {"trust_axis": np.array([1], np.int64)}


def unit(rows: Floats) -> Floats:
    """Rows of length one, float32 [N, D]."""
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    normalised: Floats = (rows / lengths).astype(np.float32)
    return normalised
