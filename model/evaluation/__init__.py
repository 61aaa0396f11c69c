"""Evaluation: how good a model is on photos whose labels are known."""

from .evaluate import Matched, evaluate, match
from .metrics import LabelScore, Proportion, wilson_interval
from .tables import Confused, Evaluation, EvaluationCounter, PhotoFailure, Row, summarise

__all__ = [
    "Confused",
    "Evaluation",
    "EvaluationCounter",
    "LabelScore",
    "Matched",
    "PhotoFailure",
    "Proportion",
    "Row",
    "evaluate",
    "match",
    "summarise",
    "wilson_interval",
]
