"""Ways to tell that a photo is of nothing that a model knows: higher is stranger.

Each is a piece of graph from ``features`` and ``logits`` to ``novelty`` with its
numbers, written in ONNX's own text. What is compared here is what runs later, on
every engine. To add one: a function of the kind ``Fit``, and its name in ``SCORES``.
"""

from .gate import gated_by_prototypes, gated_by_residual
from .logits import energy, maximum_logit, maximum_probability
from .near import guided, neighbours, prototypes
from .score import MOST_BYTES, OPSET, Fit, Score, logit_nodes
from .spread import mahalanobis, residual

__all__ = ["DEFAULT", "MOST_BYTES", "OPSET", "SCORES", "Fit", "Score", "logit_nodes"]

SCORES: tuple[Fit, ...] = (
    maximum_probability,
    maximum_logit,
    energy,
    neighbours,
    prototypes,
    guided,
    residual,
    gated_by_prototypes,
    gated_by_residual,
    mahalanobis,
)

DEFAULT: Fit = gated_by_residual
"""Where there are no strangers to choose with."""
