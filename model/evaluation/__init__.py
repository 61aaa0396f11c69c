"""How good a model is on photos whose labels are known."""

from .folders import evaluate
from .labels import Matched, match
from .results import Confused, Evaluation, LabelScore, Refused, Share
from .summary import Row, Summary, summarise

__all__ = [
    "Confused",
    "Evaluation",
    "LabelScore",
    "Matched",
    "Refused",
    "Row",
    "Share",
    "Summary",
    "evaluate",
    "match",
    "summarise",
]
