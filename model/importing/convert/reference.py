"""Checks of a network's outputs, and its probabilities for photos."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...errors import ExportRefused
from ...learner.inference_module import InferenceModule
from .fastai_pipeline import FastaiPipeline
from .recipe import GraphInput
from .worker_report import WorkerReport

__all__ = ["count_features", "reference_probabilities"]

MAX_FEATURES = 100_000


def count_features(model: nn.Module, report: WorkerReport, steps: GraphInput) -> int:
    """Run the network once, and return its number of features.

    Raises:
        ExportRefused: its outputs don't fit the labels, or aren't numbers.
    """
    height, width = steps.recipe.size
    generator = torch.Generator().manual_seed(0)
    shape: tuple[int, ...] = (2, height, width, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    module = InferenceModule.from_model(model, report.draft(), steps.scale).eval()
    with torch.inference_mode():
        logits, features, _ = module(pixels)
    if not isinstance(logits, torch.Tensor) or logits.shape != (2, len(report.labels)):
        shape = tuple(getattr(logits, "shape", ()))
        raise ExportRefused(
            f"Its network's output for two photos has the shape {shape}, which doesn't fit its "
            f"{len(report.labels)} labels."
        )
    if not torch.isfinite(logits).all():
        raise ExportRefused("Its network's output is infinite or NaN: its training failed.")
    if features.ndim != 2 or not 1 <= features.shape[1] <= MAX_FEATURES:
        raise ExportRefused(
            f"The input of its last linear layer has the shape {tuple(features.shape)} for two "
            f"photos, and Loupe takes up to {MAX_FEATURES:,} numbers per photo."
        )
    return int(features.shape[1])


def reference_probabilities(
    model: nn.Module, pipeline: FastaiPipeline, photos: Sequence[Path], *, multilabel: bool
) -> NDArray[np.float32]:
    """Return the network's probabilities behind fastai's own transforms: float32 [photos, labels].

    Source: fastai's ``learn.predict``.
    """
    rows = []
    with torch.inference_mode():
        for photo in photos:
            logits = model(pipeline.batch(photo)).as_subclass(torch.Tensor)
            probabilities = logits.sigmoid() if multilabel else logits.softmax(dim=1)
            rows.append(np.asarray(probabilities[0], dtype=np.float32))
    return np.stack(rows)
