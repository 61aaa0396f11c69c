"""Photos to train on: found, scanned, reported on and split."""

from .discover import Dataset, LabelledPhoto, discover
from .report import DataReport, Finding, report_on
from .scan import PhotoScan, scan_photos
from .split import Split, split_photos

__all__ = [
    "DataReport",
    "Dataset",
    "Finding",
    "LabelledPhoto",
    "PhotoScan",
    "Split",
    "discover",
    "report_on",
    "scan_photos",
    "split_photos",
]
