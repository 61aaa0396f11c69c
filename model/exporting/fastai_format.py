"""fastai: the learner as ``export.pkl``, for programs that use fastai without Loupe."""

import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..bundle import Bundle
from ..engines import why_unavailable
from ..errors import EngineUnavailable
from .export_check import CheckPhotos, Written, compare, require_network, run_reference

__all__ = ["write"]

EXPORT = "export.pkl"
PACKAGES = ("fastai", "timm", "torch")


def write(bundle: Bundle, folder: Path, photos: CheckPhotos) -> Written:
    """See ``ExportFormat.write``."""
    require_network(bundle, "fastai")
    if reason := why_unavailable(bundle, "learner"):
        raise EngineUnavailable(reason)
    from ..learner.fastai_export import export_learner, predict_with_export

    export_learner(bundle, folder / EXPORT)
    reference = run_reference(bundle, photos)
    # fastai knows no calibration, so its probabilities are compared with uncalibrated ones.
    uncalibrated = replace(
        reference, probabilities=_activate(reference.logits, multilabel=bundle.manifest.multilabel)
    )
    comparison = compare(uncalibrated, predict_with_export(folder / EXPORT, photos))
    comparison.require_close("The export")
    versions = {package: version(package) for package in PACKAGES}
    calibration = bundle.manifest.calibration
    note = (
        ""
        if calibration is None
        else ", without the temperature and “none of these” that Loupe fitted on held-out photos"
    )
    return Written(
        (f"{comparison} Run by fastai {versions['fastai']}, from upright photos.",),
        {**versions, "python": platform.python_version(), "calibration_note": note},
    )


def _activate(logits: NDArray[np.float32], *, multilabel: bool) -> NDArray[np.float32]:
    """Return the probabilities for logits [N, labels], as the network's own loss has them."""
    powers = np.exp(-logits if multilabel else logits - logits.max(axis=1, keepdims=True))
    result = 1 / (1 + powers) if multilabel else powers / powers.sum(axis=1, keepdims=True)
    return np.asarray(result, dtype=np.float32)
