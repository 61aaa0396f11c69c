"""Evaluation: measure a model on photos whose labels are known."""

from .labelled_folders import FolderMatch, evaluate, match_folders
from .metrics import LabelScore, Proportion, wilson_interval
from .tables import Confused, Evaluation, PhotoFailure, Row, label_scores, summarise

__all__ = [
    "Confused",
    "Evaluation",
    "FolderMatch",
    "LabelScore",
    "PhotoFailure",
    "Proportion",
    "Row",
    "evaluate",
    "label_scores",
    "match_folders",
    "summarise",
    "wilson_interval",
]
