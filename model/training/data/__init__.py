"""Photos to learn from: found, looked at, reported on, split."""

from .discover import Dataset, LabelledPhoto, discover
from .report import Finding, Report, report
from .scan import PhotoScan, scan_photos
from .split import Split, split

__all__ = [
    "Dataset",
    "Finding",
    "LabelledPhoto",
    "PhotoScan",
    "Report",
    "Split",
    "discover",
    "report",
    "scan_photos",
    "split",
]
