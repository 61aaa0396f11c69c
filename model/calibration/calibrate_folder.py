"""Calibrate a bundle on a folder of held-out photos: the command ``calibrate``."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from ..browser.small_graph import make_small_graph
from ..bundle import Bundle, ManifestDraft, publish
from ..engine_info import DEFAULT_ENGINE
from ..engines import start
from ..preprocess import Pixels
from ..settings import settings
from .calibration_photos import CalibrationPhotos, OnSkipped, StageUpdate
from .cross_validation import TARGET_COVERAGE, calibrate
from .graph_head import write_calibration
from .graph_outputs import Floats, open_graph
from .small_graph import publish_small_card

__all__ = ["calibrate_bundle"]


def calibrate_bundle(
    bundle: Bundle,
    folder: Path,
    unknown: Mapping[str, Path] = MappingProxyType({}),
    *,
    coverage: float = TARGET_COVERAGE,
    command: str = "",
    models_dir: Path | None = None,
    progress: StageUpdate = lambda stage, done, total: None,
    on_skipped: OnSkipped = lambda _: None,
) -> Bundle:
    """Calibrate a bundle and publish the result as a new version of it.

    Args:
        bundle: the model; it must give one label per photo.
        folder: one folder per label, with photos that the model was not trained on.
        unknown: folders with photos of none of the labels, by a name that visitors read.
        coverage: target share of photos whose prediction set holds the true label.
        command: the command line that was used, for the card.
        models_dir: where to publish; by default the data folder's models.
        progress: called with the stage, the number of photos done, and their total.
        on_skipped: called with lines on photos that were skipped or can't be checked.

    Raises:
        DataError: the folder, its names, the number of photos or the model do not fit, or the
            model was trained on these photos.
    """
    manifest = bundle.manifest
    photos = CalibrationPhotos.find(bundle, folder, unknown).without_trained()
    engine = start(bundle, DEFAULT_ENGINE)

    def run(pixels: Pixels) -> tuple[Floats, Floats]:
        output = engine.run(pixels, single_thread=True)
        return output.logits, output.features

    full, notes = photos.run(run, progress, on_skipped)
    for note in photos.notes:
        on_skipped(note)
    small_graph = make_small_graph(bundle.read("graph.onnx"))
    small, _ = photos.run(open_graph(small_graph), progress)
    progress("Calibrating", 0, 0)
    result = calibrate(
        full.held_out,
        ood_sets=full.ood_sets,
        small=small,
        coverage=coverage,
        command=command,
        notes=notes,
    )

    def write_files(new: Path) -> ManifestDraft:
        for name in manifest.files:
            (new / name).write_bytes(bundle.read(name))
        return write_calibration(manifest.to_draft(), new, result)

    models_dir = models_dir or settings().data / "models"
    calibrated = publish(manifest.to_draft(), models_dir, write_files)
    publish_small_card(calibrated, result)
    return calibrated
