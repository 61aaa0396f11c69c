"""The exports of ``make old-exports``: what is read from them, against their own predictions."""

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.importing.weights_settings import WeightsSettings

DATA = Path(__file__).parent / "data"

VERSIONS = ("2.0.0", "2.5.6", "2.7.13", "2.8.12-python3.11", "2.8.12-python3.13")

KINDS = {
    "plain layers": "plain.pkl",
    "several labels, padded": "several.pkl",
    "XResNet, presized": "xresnet.pkl",
    "`RandomResizedCrop`": "random-crop.pkl",
    "squish, bicubic": "squish.pkl",
    "`PILImageBW`": "greyscale.pkl",
    "two `Resize`": "resized-twice.pkl",
    "ResNet-18": "resnet.pkl",
    "timm": "timm.pkl",
    "`learn.save`": "learn.pth",
    "`state_dict`": "state.pth",
    "safetensors": "weights.safetensors",
}
"""What was written, and its file."""

LABELS = ["cat", "dog", "owl"]

# As write_exports.py prepares the photos of its weights.
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
        """The file itself, which some versions lack."""
        return self.root / f"fastai-{self.version}" / self.file

    @property
    def settings(self) -> WeightsSettings | None:
        """Settings that a file of weights doesn't contain."""
        options = {} if self.path.suffix == ".pkl" else WEIGHTS_OPTIONS
        return WeightsSettings.from_options(options)

    @property
    def predictions(self) -> dict[str, Any]:
        """What that version predicted: labels, photos, probabilities [photos, labels]."""
        kind = self.path.stem if self.path.suffix == ".pkl" else "weights"
        all_kinds = json.loads(self.path.with_name("predictions.json").read_text())
        found: dict[str, Any] = all_kinds[kind]
        return found

    @property
    def photos(self) -> list[Path]:
        """The photos, in the order of the predictions."""
        return [self.root / "photos" / photo for photo in self.predictions["photos"]]

    def restore(self) -> Any:
        """Rebuild the learner, as an import does."""
        from model.importing.convert.restored_learner import restore_learner
        from model.importing.convert.restored_weights import restore_weights

        settings = self.settings
        return restore_weights(self.path, settings) if settings else restore_learner(self.path)

    def restored_probabilities(self) -> NDArray[np.float32]:
        """Return what the rebuilt learner says: float32 [photos, labels]."""
        from model.importing.convert.reference import reference_probabilities

        restored = self.restore()
        return reference_probabilities(
            restored.model, restored.pipeline, self.photos, multilabel=restored.multilabel
        )


def unpack(folder: Path) -> Path:
    """Unpack all archives: one folder per version, and the photos."""
    # The filter came with Python 3.11.4; Debian 12 has 3.11.2.
    safe: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    for archive in sorted(DATA.glob("*.tar.xz")):
        with tarfile.open(archive) as packed:
            packed.extractall(folder / archive.name.removesuffix(".tar.xz"), **safe)
    return folder


def is_missing(version: str, file: str) -> bool:
    """Return whether a version has no such file: fastai 2.0.0 got neither timm nor safetensors."""
    return version == "2.0.0" and file in ("timm.pkl", "weights.safetensors")
