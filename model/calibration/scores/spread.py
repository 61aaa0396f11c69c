"""Scores on how the features of known photos are spread."""

from functools import lru_cache

import numpy as np

from ..graph_outputs import Outputs
from .score import MOST_BYTES, Numbers, Score, axis, unit

__all__ = ["RESIDUAL", "along", "mahalanobis", "residual"]

AXES = 64


RESIDUAL = """
    trust_unit = LpNormalization <axis = 1, p = 2> (features)
    trust_moved = Sub(trust_unit, trust_middle)
    trust_inside = MatMul(trust_moved, trust_along)
    trust_whole = ReduceSumSquare <keepdims = 0> (trust_moved, trust_axis)
    trust_part = ReduceSumSquare <keepdims = 0> (trust_inside, trust_axis)
    trust_left = Sub(trust_whole, trust_part)
    trust_real = Max(trust_left, trust_zero)
    trust_off = Sqrt(trust_real)
"""


@lru_cache(maxsize=2)
def along(known: Outputs) -> Numbers:
    """The mean of the known photos, float32 [D], and the axes along which they vary [D, K]."""
    features = unit(known.features)
    count, width = features.shape
    axes = min(AXES, count // 4, width // 2, (MOST_BYTES - 2000) // (4 * width) - 1)
    middle = features.mean(axis=0)
    _, _, found = np.linalg.svd(features - middle, full_matrices=False)
    return {
        **axis(),
        "trust_middle": middle,
        "trust_along": np.ascontiguousarray(found[: max(1, axes)].T),
        "trust_zero": np.array(0, np.float32),
    }


def residual(known: Outputs, *_: Outputs) -> Score:
    """How far features, at length one, are from the axes along which known photos vary.

    Source: Wang et al., ViM: Out-Of-Distribution with Virtual-logit Matching, 2022.
    """
    return Score("residual", RESIDUAL + "novelty = Identity(trust_off)", along(known))


def mahalanobis(known: Outputs, *_: Outputs) -> Score:
    """Distance to the nearest label's centre, whitened. Source: Lee et al., 2018."""
    text = """
        trust_moved = MatMul(features, trust_white)
        trust_length = ReduceSumSquare <keepdims = 1> (trust_moved, trust_axis)
        trust_cross = MatMul(trust_moved, trust_centres)
        trust_part = Add(trust_cross, trust_lengths)
        trust_distance = Add(trust_part, trust_length)
        novelty = ReduceMin <keepdims = 0> (trust_distance, trust_axis)
    """
    return Score("Mahalanobis", text, _whitened(known))


@lru_cache(maxsize=2)
def _whitened(known: Outputs) -> Numbers:
    """What makes the spread within a label even [D, D], and the labels' centres after it."""
    from sklearn.covariance import ledoit_wolf

    labels = np.unique(known.targets)
    centres = np.stack([known.features[known.targets == label].mean(axis=0) for label in labels])
    rest = known.features - centres[np.searchsorted(labels, known.targets)]
    covariance, _ = ledoit_wolf(rest.astype(np.float64))
    values, vectors = np.linalg.eigh(covariance)
    white = (vectors / np.sqrt(np.maximum(values, 1e-9))).astype(np.float32)
    moved = centres.astype(np.float32) @ white
    return {
        **axis(),
        "trust_white": white,
        "trust_centres": np.ascontiguousarray(moved.T * np.float32(-2)),
        "trust_lengths": (moved**2).sum(axis=1),
    }
