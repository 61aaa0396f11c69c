"""Evaluation: measure a model on photos whose labels are known."""

from .labelled_folders import evaluate, match_folders
from .metrics import (
    Confused,
    Evaluation,
    LabelScore,
    PhotoFailure,
    Proportion,
    Row,
    label_scores,
    summarise,
)

__all__ = [
    "Confused",
    "Evaluation",
    "LabelScore",
    "PhotoFailure",
    "Proportion",
    "Row",
    "evaluate",
    "label_scores",
    "match_folders",
    "summarise",
]
