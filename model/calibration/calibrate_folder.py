"""Calibrate a bundle on a folder of held-out photos: the command ``calibrate``."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ..bundle import Bundle, ManifestDraft, publish
from ..engine_info import DEFAULT_ENGINE
from ..engines import start
from ..errors import DataError
from ..evaluation.evaluate import labelled_photos
from ..evaluation.tables import require_single_label
from ..photo_files import list_photos, printable
from ..preprocess import Pixels
from ..settings import settings
from ..text import list_some
from .cross_validation import TARGET_COVERAGE, calibrate
from .graph_head import write_calibration
from .graph_outputs import MIN_PHOTOS, Floats, GraphOutputs, run_photos

__all__ = ["calibrate_bundle", "list_ood_photos"]


def calibrate_bundle(
    bundle: Bundle,
    folder: Path,
    unknown: Sequence[Path] = (),
    *,
    coverage: float = TARGET_COVERAGE,
    command: str = "",
    models_dir: Path | None = None,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Bundle:
    """Calibrate a bundle and publish the result as a new version of it.

    Args:
        bundle: the model; it must give one label per photo.
        folder: one folder per label, with photos that the model was not trained on.
        unknown: folders with photos of none of the labels.
        coverage: target share of photos whose prediction set holds the true label.
        command: the command line that was used, for the card.
        models_dir: where to publish; by default the data folder's models.
        progress: called with the stage, the number of photos done, and their total.

    Raises:
        DataError: the folder, its names, the number of photos or the model do not fit.
    """
    manifest = bundle.manifest
    require_single_label(manifest.multilabel)
    photos, unmatched = labelled_photos(folder, bundle.labels)
    label_of, engine = dict(photos), start(bundle, DEFAULT_ENGINE)

    def run(pixels: Pixels) -> tuple[Floats, Floats]:
        output = engine.run(pixels, single_thread=True)
        return output.logits, output.features

    def run_stage(stage: str, paths: Sequence[Path]) -> tuple[GraphOutputs, list[Path]]:
        return run_photos(run, paths, manifest.recipe, partial(progress, stage))

    held_out, left_out = run_stage("Held-out photos", list(label_of))
    skipped = set(left_out)
    used = [path for path in label_of if path not in skipped]
    targets = [bundle.labels.index(label_of[path]) for path in used]
    if len(set(targets)) < 2:
        raise DataError(f"{folder} has photos of one label only. Add photos of the others.")
    ood_sets = {
        name: run_stage("Unknown photos", paths)[0]
        for name, paths in list_ood_photos(unknown).items()
    }
    progress("Calibrating", 0, 0)
    result = calibrate(
        replace(held_out, targets=np.array(targets), names=_names(used, folder)),
        ood_sets=ood_sets,
        coverage=coverage,
        on=f"held-out photos in {printable(Path(folder.absolute().name))}"[:200],
        command=command,
        notes=_notes(unmatched, _names(left_out, folder)),
    )

    def write_files(new: Path) -> ManifestDraft:
        for name in manifest.files:
            (new / name).write_bytes(bundle.read(name))
        return write_calibration(manifest.to_draft(), new, result)

    models_dir = models_dir or settings().data / "models"
    return publish(manifest.to_draft(), models_dir, write_files)


def _names(paths: Sequence[Path], folder: Path) -> tuple[str, ...]:
    return tuple(printable(path.relative_to(folder)) for path in paths)


def _notes(folders: Sequence[str], photos: Sequence[str]) -> tuple[str, ...]:
    """Return lines for the card about folders and photos that were skipped."""
    skipped = {
        "Skipped folders (no label with that name)": folders,
        "Skipped photos (unreadable, or copies of another one)": photos,
    }
    return tuple(
        f"{reason}: {len(names):,} ({list_some(names, 5)})"[:300]
        for reason, names in skipped.items()
        if names
    )


def list_ood_photos(folders: Sequence[Path]) -> dict[str, list[Path]]:
    """List the photos in folders of OOD photos, by the folder's name.

    Raises:
        DataError: two folders have the same name, or one has fewer than fifty photos.
    """
    photos: dict[str, list[Path]] = {}
    for folder in folders:
        name = printable(Path(folder.absolute().name))
        if name in photos:
            raise DataError(f"Two folders of unknown photos have the name {name!r}. Rename one.")
        photos[name] = list_photos(folder)
        if len(photos[name]) < MIN_PHOTOS:
            raise DataError(
                f"{folder} has {len(photos[name])} unknown photos, which isn't enough. Use at "
                f"least {MIN_PHOTOS}, better 200."
            )
    return photos
