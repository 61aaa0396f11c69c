"""The files beside every exported model: labels, preprocessing config, README, samples."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from ..bundle import Bundle
from .converters import CONVERTERS_DIR
from .device_files import calibration_json
from .export_folder import RECORD, escape_markdown, write_json
from .export_format import ExportFormat, Written

__all__ = ["export_config", "label_lines", "write_texts"]

SAMPLES = "[Ss]ample*"

SCORE = ", `novelty` (the OOD score, one per photo; higher is stranger)"
UNKNOWN = (
    " If `novelty` is above `ood_threshold` in `config.json`, the photo shows none of the labels."
)


PRESENT = (
    " Each label whose probability is at least the `threshold` in `config.json`, {}, is present."
)


def write_texts(bundle: Bundle, format: ExportFormat, folder: Path, written: Written) -> None:
    """Write the labels, the preprocessing config, the README and the samples of an export.

    Args:
        bundle: the model.
        format: says which texts and samples.
        folder: where the files go; the model's are there.
        written: what the format's module wrote.
    """
    write_json(folder / "config.json", export_config(bundle, format))
    (folder / "labels.txt").write_text(label_lines(bundle), encoding="utf-8")
    source = CONVERTERS_DIR / format.name
    for path in [*source.glob(SAMPLES), *(CONVERTERS_DIR / name for name in format.samples)]:
        shutil.copyfile(path, folder / path.name)
    about = Template((source / "about.md").read_text("utf-8"))
    values = {**_common_values(bundle, format), **written.values}
    readme = _readme(bundle, format.title, about.substitute(values), written.checks)
    (folder / "README.md").write_text(readme, encoding="utf-8")


def export_config(bundle: Bundle, format: ExportFormat) -> dict[str, Any]:
    """Return ``config.json``, with the keys of ``bundle.json``."""
    manifest = bundle.manifest
    calibration = manifest.calibration
    keys = {"name", "title", "description", "language", "multilabel", "labels", "recipe"}
    return {
        **manifest.model_dump(mode="json", include=keys),
        "threshold": manifest.present_from if manifest.multilabel else None,
        "version": bundle.version,
        "calibration": calibration_json(calibration if format.calibrated else None),
    }


def label_lines(bundle: Bundle) -> str:
    """Return the labels in order, one per line."""
    return "".join(f"{' '.join(label.split())}\n" for label in bundle.labels)


def _common_values(bundle: Bundle, format: ExportFormat) -> dict[str, str]:
    manifest = bundle.manifest
    height, width = manifest.recipe.size
    has_score = bundle.golden.ood_score is not None
    calibration = manifest.calibration
    is_calibrated = calibration is not None
    part = "calibration" if format.calibrated else "temperature"
    can_reject = calibration is not None and calibration.ood_threshold is not None
    return {
        "height": str(height),
        "width": str(width),
        "labels": f"{len(bundle.labels)}",
        "features": f"{manifest.architecture.features}",
        "inside": f"normalisation and {part} are inside"
        if is_calibrated
        else "normalisation is inside; the model isn't calibrated",
        "thresholds": ", thresholds" if is_calibrated else "",
        "novelty": SCORE if has_score else "",
        "unknown": UNKNOWN if can_reject else "",
        "present": PRESENT.format(manifest.present_from) if manifest.multilabel else "",
    }


def _readme(bundle: Bundle, title: str, about: str, checks: Sequence[str]) -> str:
    manifest = bundle.manifest
    results = "".join(f"- {check}\n" for check in checks)
    return (
        f"# {escape_markdown(manifest.title)}: {title}\n\n"
        f"{escape_markdown(manifest.description)}\n\n"
        f"The model `{bundle.name}`, version {bundle.version}, exported by Loupe.\n\n"
        f"{about}\n"
        f"## Checked\n\n{results}\n"
        "## Licence\n\n"
        f"The model: {escape_markdown(manifest.licence)}. Trained on "
        f"{escape_markdown(manifest.data.title)} ({escape_markdown(manifest.data.licence)}). "
        "The sample programs: Apache-2.0.\n\n"
        f"`{RECORD}` lists the SHA-256 of each file.\n"
    )
