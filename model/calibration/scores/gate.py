"""Scores in two steps: what is far from all that is known comes before all the rest."""

import numpy as np

from ..graph_outputs import Outputs
from .near import CODED, centres
from .score import Numbers, Score, axis
from .spread import RESIDUAL, along

__all__ = ["gated_by_prototypes", "gated_by_residual"]

STEEP = 20.0
"""How much more than a margin counts what lies beyond the gate, each in units of its spread."""

MARGIN = """
    trust_two, trust_which = TopK <axis = 1> (logits, trust_pair)
    trust_first, trust_second = Split <axis = 1, num_outputs = 2> (trust_two)
    trust_gap = Sub(trust_first, trust_second)
    trust_margin = Squeeze(trust_gap, trust_axis)
    trust_over = Sub(trust_far, trust_gate)
    trust_beyond = Relu(trust_over)
    trust_alarm = Mul(trust_beyond, trust_steep)
    novelty = Sub(trust_alarm, trust_margin)
"""


def gated_by_prototypes(known: Outputs, held_out: Outputs) -> Score:
    """The margin of the first label within reach of the centres."""
    known, held_out = _apart(known, held_out)
    far = CODED + "trust_far = Neg(trust_near)"
    return _gated("margin, gated by prototypes", far, centres(known), held_out, 0.95)


def gated_by_residual(known: Outputs, held_out: Outputs) -> Score:
    """The margin of the first label where the residual is as of known photos."""
    known, held_out = _apart(known, held_out)
    far = RESIDUAL + "trust_far = Identity(trust_off)"
    return _gated("margin, gated by residual", far, along(known), held_out, 0.98)


def _gated(name: str, far: str, numbers: Numbers, held_out: Outputs, share: float) -> Score:
    """The margin, and beyond the gate, which ``share`` of known photos pass, the distance.

    The margin tells what lies between two labels, the distance what lies beyond all:
    either alone misses what the other finds, and a sum blurs both. The shares were
    chosen on clothes.

    Source of the margin: Scheffer et al., Active Hidden Markov Models, 2001.
    """
    away = Score("", far + "novelty = Identity(trust_far)", numbers)(
        held_out.features, held_out.logits
    )
    two = np.sort(held_out.logits, axis=1)[:, -2:]
    spread = float((two[:, 1] - two[:, 0]).std()) / max(float(away.std()), 1e-6)
    more: Numbers = {
        **numbers,
        **axis(),
        "trust_pair": np.array([2], np.int64),
        "trust_gate": np.array(np.quantile(away, share), np.float32),
        "trust_steep": np.array(STEEP * max(spread, 1e-6), np.float32),
    }
    return Score(name, far + MARGIN, more)


def _apart(known: Outputs, held_out: Outputs) -> tuple[Outputs, Outputs]:
    """Two halves where there is but one set: photos are nearer to what they made."""
    if held_out is not known:
        return known, held_out
    places = np.random.default_rng(0).permutation(len(known))
    half = (len(known) + 1) // 2
    return known.part(places[:half]), known.part(places[half:])
