"""Photos to learn from: found, looked at, reported on, split."""

from .labelled import Found, Labelled, collect
from .looking import Look, look
from .report import Finding, Report, report
from .split import Split, split

__all__ = [
    "Finding",
    "Found",
    "Labelled",
    "Look",
    "Report",
    "Split",
    "collect",
    "look",
    "report",
    "split",
]
