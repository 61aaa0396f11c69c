"""Files that old versions of fastai wrote, and how close Loupe comes to their predictions.

``python -m tests.model.importing.old_exports.exports`` prints the table of docs/importing.md for
this Python: the largest difference of a probability, over all photos, between the rebuilt learner
and the fastai that wrote the file.
"""

import json
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.importing.inspect.weights import WeightsSettings
from tests.model.importing.learners import restore

DATA = Path(__file__).parent / "data"

VERSIONS = ("2.0.0", "2.5.6", "2.7.13", "2.8.12-python3.11", "2.8.12-python3.13")

KINDS = {
    "plain layers": "plain.pkl",
    "several labels, padded": "several.pkl",
    "XResNet, presized": "xresnet.pkl",
    "`RandomResizedCrop`": "random-crop.pkl",
    "squish, bicubic": "squish.pkl",
    "`PILImageBW`": "greyscale.pkl",
    "ResNet-18": "resnet.pkl",
    "timm": "timm.pkl",
    "`learn.save`": "learn.pth",
    "`state_dict`": "state.pth",
    "safetensors": "weights.safetensors",
}
"""Kinds of files by their rows in the table."""

LABELS = ["cat", "dog", "owl"]

WEIGHTS_OPTIONS = {
    "--arch": "squeezenet1_1",
    "--labels": ",".join(LABELS),
    "--size": "64",
    "--method": "crop",
    "--normalize": "0.5,0.4,0.3/0.2,0.3,0.4",
}


@dataclass(frozen=True)
class OldExport:
    """A file that a version of fastai wrote, in the folder of all unpacked archives."""

    root: Path
    version: str
    file: str

    @property
    def path(self) -> Path:
        """The path of the file, which some versions lack."""
        return self.root / f"fastai-{self.version}" / self.file

    @cached_property
    def predictions(self) -> dict[str, Any]:
        """The predictions of that version: labels, photos, probabilities [photos, labels]."""
        kind = self.path.stem if self.path.suffix == ".pkl" else "weights"
        all_kinds = json.loads(self.path.with_name("predictions.json").read_text())
        predictions: dict[str, Any] = all_kinds[kind]
        return predictions

    def restore(self) -> Any:
        """Rebuild the learner, as an import does."""
        options = {} if self.path.suffix == ".pkl" else WEIGHTS_OPTIONS
        return restore(self.path, WeightsSettings.from_options(options))

    def restored_probabilities(self) -> NDArray[np.float32]:
        """Return the rebuilt learner's probabilities: float32 [photos, labels]."""
        photos = [self.root / "photos" / photo for photo in self.predictions["photos"]]
        probabilities: NDArray[np.float32] = self.restore().predict(photos)
        return probabilities


def unpack(folder: Path) -> Path:
    """Unpack all archives: one folder per version, and the photos."""
    # The filter came with Python 3.11.4; Debian 12 has 3.11.2.
    safe: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    for archive in sorted(DATA.glob("*.tar.xz")):
        with tarfile.open(archive) as packed:
            packed.extractall(folder / archive.name.removesuffix(".tar.xz"), **safe)
    return folder


def is_missing(version: str, file: str) -> bool:
    """Return True for files that fastai 2.0.0 lacks: it got neither timm nor safetensors."""
    return version == "2.0.0" and file in ("timm.pkl", "weights.safetensors")


def cell(export: OldExport) -> str:
    """Return the table's cell for a file."""
    if is_missing(export.version, export.file):
        return "–"
    expected = np.array(export.predictions["probabilities"])
    difference = np.abs(export.restored_probabilities() - expected).max()
    return f"{difference:.0e}".replace("e-0", "e-") if difference else "0"


def main() -> None:
    """Print the table."""
    lines = [f"| | {' | '.join(VERSIONS)} |", "|---" * (len(VERSIONS) + 1) + "|"]
    with tempfile.TemporaryDirectory() as name:
        root = unpack(Path(name))
        for kind, file in KINDS.items():
            cells = [cell(OldExport(root, version, file)) for version in VERSIONS]
            lines.append(f"| {kind} | {' | '.join(cells)} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
