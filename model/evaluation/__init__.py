"""How good a model is on photos whose labels are known."""

from .folders import evaluate
from .labels import Matched, match
from .results import Confused, Evaluation, LabelScore, PhotoFailure, Proportion
from .summary import Row, Summary, summarise

__all__ = [
    "Confused",
    "Evaluation",
    "LabelScore",
    "Matched",
    "PhotoFailure",
    "Proportion",
    "Row",
    "Summary",
    "evaluate",
    "match",
    "summarise",
]
