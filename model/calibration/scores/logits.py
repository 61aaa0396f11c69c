"""Scores on logits alone."""

from ..graph_outputs import Outputs
from .score import Score, axis

__all__ = ["energy", "maximum_logit", "maximum_probability"]


def maximum_probability(*_: Outputs) -> Score:
    """Source: Hendrycks and Gimpel, A Baseline for Detecting Misclassified …, 2017."""
    text = """
        trust_share = Softmax <axis = 1> (logits)
        trust_most = ReduceMax <keepdims = 0> (trust_share, trust_axis)
        novelty = Neg(trust_most)
    """
    return Score("maximum probability", text, axis())


def maximum_logit(*_: Outputs) -> Score:
    """Source: Hendrycks et al., Scaling Out-of-Distribution Detection …, 2022."""
    text = """
        trust_most = ReduceMax <keepdims = 0> (logits, trust_axis)
        novelty = Neg(trust_most)
    """
    return Score("maximum logit", text, axis())


def energy(*_: Outputs) -> Score:
    """Source: Liu et al., Energy-based Out-of-distribution Detection, 2020."""
    text = """
        trust_all = ReduceLogSumExp <keepdims = 0> (logits, trust_axis)
        novelty = Neg(trust_all)
    """
    return Score("energy", text, axis())
