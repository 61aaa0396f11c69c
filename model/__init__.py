"""Everything about models; plain Python, usable from a script or a notebook.

    from model import load

    load("imagenet").identify("cat.jpg").top(5)

Importing it loads neither streamlit nor torch nor fastai, and turns off the reports of its use that
ONNX Runtime sends to Microsoft.
"""

import os

# Read when ONNX Runtime is imported: its API can't stop the first report.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from .answer.prediction import Candidate, Prediction
from .bundle import Bundle, list_models
from .classifier import Classifier
from .errors import LoupeError, PhotoError
from .loading import load
from .photo import Photo

__all__ = [
    "Bundle",
    "Candidate",
    "Classifier",
    "LoupeError",
    "Photo",
    "PhotoError",
    "Prediction",
    "list_models",
    "load",
]
