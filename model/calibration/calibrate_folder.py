"""Calibrate a bundle on a folder of held-out photos: the command ``calibrate``."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..bundle import Bundle, ManifestDraft, publish
from ..classifier import Classifier, read_file
from ..engines import start
from ..errors import DataError, PhotoError
from ..evaluation.evaluate import labelled_photos
from ..evaluation.tables import require_single_label
from ..photo_files import list_photos, map_ordered, printable
from ..preprocess import preprocess
from ..settings import settings
from .cross_validation import MIN_PHOTOS, TARGET_COVERAGE, CalibrationResult, calibrate
from .graph_head import write_calibration
from .graph_outputs import Floats, GraphOutputs

__all__ = ["calibrate_bundle", "list_ood_photos"]

OnStage = Callable[[str, int, int], None]


def calibrate_bundle(
    bundle: Bundle,
    folder: Path,
    unknown: Sequence[Path] = (),
    *,
    coverage: float = TARGET_COVERAGE,
    command: str = "",
    models_dir: Path | None = None,
    progress: OnStage = lambda stage, done, total: None,
) -> tuple[Bundle, CalibrationResult]:
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
    photos, left_out = labelled_photos(folder, bundle.labels)
    indices = {label: index for index, label in enumerate(bundle.labels)}
    classifier = Classifier(bundle, start(bundle, "compiled"))
    held_out, unread = _run_classifier(
        classifier,
        [(photo, indices[label]) for photo, label in photos],
        folder,
        lambda done, total: progress("Held-out photos", done, total),
    )
    notes = _notes(left_out, unread)
    if len({*held_out.targets.tolist()}) < 2:
        raise DataError(f"{folder} has photos of one label only. Add photos of the others.")
    ood_sets = {}
    for ood_folder, (name, paths) in zip(unknown, list_ood_photos(unknown).items(), strict=True):
        ood_sets[name], _ = _run_classifier(
            classifier,
            [(path, 0) for path in paths],
            ood_folder,
            lambda done, total: progress("Unknown photos", done, total),
        )
    progress("Calibrating", 0, 0)
    result = calibrate(held_out, None, ood_sets, coverage=coverage)

    def write_files(new: Path) -> ManifestDraft:
        for name in manifest.files:
            (new / name).write_bytes(bundle.read(name))
        on = f"held-out photos in {printable(Path(folder.absolute().name))}"[:200]
        draft = manifest.to_draft()
        return write_calibration(draft, new, result, on=on, command=command, notes=notes)

    models_dir = models_dir or settings().data / "models"
    return publish(manifest.to_draft(), models_dir, write_files), result


def _notes(folders: Sequence[str], unread: Sequence[str]) -> tuple[str, ...]:
    """Return lines for the card about folders and photos that were skipped."""
    skipped = {
        "Skipped folders (no label with that name)": folders,
        "Skipped photos (unreadable, or copies of another one)": unread,
    }
    return tuple(
        f"{reason}: {len(names):,} ({', '.join(names[:5])})"[:300]
        for reason, names in skipped.items()
        if names
    )


class _PhotoOutput(NamedTuple):
    digest: bytes
    logits: Floats
    features: Floats
    target: int
    name: str


def _run_classifier(
    classifier: Classifier,
    photos: Sequence[tuple[Path, int]],
    folder: Path,
    progress: Callable[[int, int], None],
) -> tuple[GraphOutputs, list[str]]:
    """Return the outputs for photos, and the names of those left out.

    Photos that cannot be read and copies of another photo are left out: a copy in another
    fold would make that fold look easier than it is.

    Raises:
        DataError: fewer than fifty photos remain.
    """
    config = classifier.bundle.manifest.recipe

    def run(item: tuple[Path, int]) -> _PhotoOutput | str:
        path, target = item
        name = printable(path.relative_to(folder))
        try:
            data = read_file(path)
            photo = classifier.read_photo(data)
        except PhotoError:
            return name
        output = classifier.engine.run(preprocess(photo.image, config)[None], single_thread=True)
        digest = hashlib.sha256(data).digest()
        return _PhotoOutput(digest, output.logits[0], output.features[0], target, name)

    rows, left_out, digests = [], list[str](), set[bytes]()
    for done, row in enumerate(map_ordered(run, photos), 1):
        progress(done, len(photos))
        if isinstance(row, str):
            left_out.append(row)
        elif row.digest in digests:
            left_out.append(row.name)
        else:
            digests.add(row.digest)
            rows.append(row)
    if len(rows) < MIN_PHOTOS:
        raise DataError(_too_few(folder, f"{len(rows)} usable photos of {len(photos)}", 300))
    outputs = GraphOutputs(
        np.stack([row.logits for row in rows]),
        np.stack([row.features for row in rows]),
        np.array([row.target for row in rows], np.intp),
        tuple(row.name for row in rows),
    )
    return outputs, left_out


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
            raise DataError(_too_few(folder, f"{len(photos[name])} unknown photos", 200))
    return photos


def _too_few(folder: Path, count: str, recommended: int) -> str:
    return (
        f"{folder} has {count}, which isn't enough. Use at least {MIN_PHOTOS}, "
        f"better {recommended}."
    )
