"""The files beside an exported model: labels, preprocessing config, README, samples."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from ..browser.device_files import calibration_json
from ..bundle import Bundle
from .environments import CONVERTERS_DIR
from .export_check import Written
from .export_folder import RECORD, escape_markdown, write_json

SCORE = ", `novelty` (the OOD score, one per photo; higher is stranger)"
UNKNOWN = (
    " If `novelty` is above `ood_threshold` in `config.json`, the photo shows none of the labels."
)
PRESENT = (
    " Each label whose probability is at least the `threshold` in `config.json`, {}, is present."
)
GREYSCALE = (
    " `sample.py` converts photos to greyscale before it resizes them, as Loupe does. Pixels in "
    "colour are converted by the network itself, after resizing, and answers can differ."
)


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format.

    Attributes:
        name: as in the command and the URL.
        title: on screen and in the README.
        module: the module beside this one whose ``write`` writes the model's files.
        samples: the sample program and the files that it needs, in ``converters``.
        calibrated: its probabilities are calibrated, so the thresholds hold for them.
        int8: it can have a second file with 8-bit weights.
        is_page: a page for browsers, with any number of models, not compared on photos.
    """

    name: str
    title: str
    module: str
    samples: tuple[str, ...] = ()
    calibrated: bool = True
    int8: bool = False
    is_page: bool = False


def write_texts(bundle: Bundle, format_: ExportFormat, folder: Path, written: Written) -> None:
    """Write the labels, the preprocessing config, the README and the samples of an export.

    Args:
        bundle: the model.
        format_: its format.
        folder: the export, with the model's files.
        written: the checks and words for the README.
    """
    write_json(folder / "config.json", _config(bundle, format_.calibrated))
    (folder / "labels.txt").write_text(label_lines(bundle), encoding="utf-8")
    for sample in format_.samples:
        path = CONVERTERS_DIR / sample
        shutil.copyfile(path, folder / path.name)
    values = {**_common_values(bundle, format_.calibrated), **written.values}
    template = (CONVERTERS_DIR / format_.name / "about.md").read_text("utf-8")
    about = Template(template).substitute(values)
    readme = _readme(bundle, format_.title, about, written.checks)
    (folder / "README.md").write_text(readme, encoding="utf-8")


def label_lines(bundle: Bundle) -> str:
    """Return the labels in order, one per line."""
    return "".join(f"{' '.join(label.split())}\n" for label in bundle.labels)


def _config(bundle: Bundle, calibrated: bool) -> dict[str, Any]:
    """Return ``config.json``, with the keys of ``bundle.json``."""
    manifest = bundle.manifest
    keys = {"name", "title", "description", "language", "multilabel", "labels", "recipe"}
    return {
        **manifest.model_dump(mode="json", include=keys),
        "threshold": manifest.present_from if manifest.multilabel else None,
        "version": bundle.version,
        "calibration": calibration_json(manifest.calibration if calibrated else None),
    }


def _common_values(bundle: Bundle, calibrated: bool) -> dict[str, str]:
    manifest, calibration = bundle.manifest, bundle.manifest.calibration
    height, width = manifest.recipe.size
    has_score = bundle.golden.ood_score is not None
    inside = "normalisation is inside; the model isn't calibrated"
    if calibration:
        part = "calibration" if calibrated else "temperature"
        inside = f"normalisation and {part} are inside"
    can_reject = calibration is not None and calibration.ood_threshold is not None
    return {
        "height": str(height),
        "width": str(width),
        "labels": str(len(bundle.labels)),
        "features": str(manifest.architecture.features),
        "inside": inside,
        "thresholds": ", thresholds" if manifest.is_calibrated else "",
        "novelty": SCORE if has_score else "",
        "unknown": UNKNOWN if can_reject else "",
        "present": PRESENT.format(manifest.present_from) if manifest.multilabel else "",
        "greyscale": GREYSCALE if manifest.recipe.greyscale else "",
    }


def _readme(bundle: Bundle, title: str, about: str, checks: tuple[str, ...]) -> str:
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
