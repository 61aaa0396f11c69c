"""Scores on what is near: known photos, or centres of them."""

from functools import lru_cache

import numpy as np

from ..graph_outputs import Outputs
from .score import MOST_BYTES, Numbers, Score, axis, unit

__all__ = ["CODED", "centres", "guided", "neighbours", "prototypes"]

PROTOTYPES = 200
NEIGHBOURS = 10

NEAREST = """
    trust_unit = LpNormalization <axis = 1, p = 2> (features)
    trust_likeness = MatMul(trust_unit, trust_keys)
    trust_best, trust_where = TopK <axis = 1> (trust_likeness, trust_count)
    trust_near = ReduceMean <keepdims = 0> (trust_best, trust_axis)
"""


def neighbours(known: Outputs, *_: Outputs) -> Score:
    """Ten nearest known photos, by cosine. Source: Sun et al., Deep Nearest Neighbors, 2022."""
    count = min(NEIGHBOURS, len(known))
    numbers = {
        **axis(),
        "trust_keys": np.ascontiguousarray(unit(known.features).T),
        "trust_count": np.array([count], np.int64),
    }
    return Score("nearest neighbours", NEAREST + "novelty = Neg(trust_near)", numbers)


@lru_cache(maxsize=2)
def centres(known: Outputs) -> Numbers:
    """Centres of the known photos, as 8-bit numbers: [D, P] and their scale."""
    from sklearn.cluster import KMeans

    features = known.features
    count = min(PROTOTYPES, max(1, len(features) // 4))
    count = min(count, max(1, (MOST_BYTES - 4000) // features.shape[1]))
    found = KMeans(count, n_init=1, max_iter=50, random_state=0).fit(unit(features))
    keys = unit(found.cluster_centers_.astype(np.float32)).T
    scale = float(np.abs(keys).max()) / 127 or 1.0
    return {
        **axis(),
        "trust_codes": np.round(keys / scale).astype(np.int8),
        "trust_scale": np.array(scale, np.float32),
        "trust_count": np.array([1], np.int64),
    }


CODED = "trust_keys = DequantizeLinear(trust_codes, trust_scale)" + NEAREST


def prototypes(known: Outputs, *_: Outputs) -> Score:
    """The nearest of a few hundred centres: as neighbours, at a fraction of the bytes."""
    return Score("prototypes", CODED + "novelty = Neg(trust_near)", centres(known))


def guided(known: Outputs, *_: Outputs) -> Score:
    """The nearest centre and the largest logit, each in units of its spread.

    Features tell things of another kind, logits tell things between two labels.
    Source of the idea: Park et al., Nearest Neighbor Guidance, 2023.
    """
    numbers = dict(centres(known))
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
