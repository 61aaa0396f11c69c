"""fastai: the learner as ``export.pkl``, for programs that use fastai without Loupe."""

from dataclasses import replace
from pathlib import Path

from ..bundle import Bundle
from ..engines import why_unavailable
from ..errors import EngineUnavailable
from ..learner import installed_versions
from .export_check import CheckPhotos, Written, compare, require_network, run_reference

EXPORT = "export.pkl"
PACKAGES = ("fastai", "timm", "torch")


def write(bundle: Bundle, folder: Path, photos: CheckPhotos) -> Written:
    """See ``export_models``."""
    require_network(bundle, "fastai")
    if reason := why_unavailable(bundle, "learner"):
        raise EngineUnavailable(reason)
    import torch

    from ..learner.rebuild import export_learner, predict_with_export

    export_learner(bundle, folder / EXPORT)
    reference = run_reference(bundle, photos)
    # fastai knows no calibration, so its probabilities are compared with uncalibrated ones.
    logits = torch.from_numpy(reference.logits)
    activated = logits.sigmoid() if bundle.manifest.multilabel else logits.softmax(dim=1)
    uncalibrated = replace(reference, probabilities=activated.numpy())
    comparison = compare(uncalibrated, predict_with_export(folder / EXPORT, photos))
    comparison.require_close("The export")
    versions = installed_versions(PACKAGES)
    calibration = bundle.manifest.calibration
    note = (
        ""
        if calibration is None
        else ", without the temperature that Loupe estimated"
        if calibration.estimated
        else ", without the temperature and “none of these” that Loupe fitted on held-out photos"
    )
    return Written(
        (f"{comparison} Run by fastai {versions['fastai']}, from upright photos.",),
        {**versions, "calibration_note": note},
    )
