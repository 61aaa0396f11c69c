"""Prepare the photos of a training run: find, scan, report, split, preprocess."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..bundle import HASH_DIGITS
from ..calibration.fit import split_folds
from ..classifier import read_file
from ..errors import DataError
from ..events import Progress
from ..photo import read
from ..preprocess import Pixels, PreprocessConfig, preprocess
from ..storage.disk import replace_atomically
from ..storage.labelled_photos import Dataset, LabelledPhoto, add_photos, discover
from ..storage.photo_files import map_ordered
from ..text import list_some
from .config import COPIES_DIR, MIN_TRAINING_PHOTOS, TrainingConfig
from .data_report import DataReport, PhotoScan, report_on, scan_photos
from .photo_sets import apply_changes, read_changes
from .stored_predictions import find_sides

FOLDS = 5
"""Number of folds, of which one is held out if the folders are not split."""

ADVICE = "Each label needs three valid photos that aren't duplicates, preferably ten."


@dataclass(frozen=True, slots=True)
class Split:
    """Photos by their purpose; ``how`` says in words how they were split."""

    labels: tuple[str, ...]
    train: tuple[LabelledPhoto, ...]
    held_out: tuple[LabelledPhoto, ...]
    test: tuple[LabelledPhoto, ...]
    how: str

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """Labels without a held-out photo."""
        measured = {photo.label for photo in self.held_out}
        return tuple(label for label in self.labels if label not in measured)

    def targets(self, photos: Sequence[LabelledPhoto]) -> list[int]:
        """Return the indices of the photos' labels."""
        return [self.labels.index(photo.label) for photo in photos]


def split_photos(
    dataset: Dataset, report: DataReport, seed: int = 0, sides: Mapping[str, bool] | None = None
) -> Split:
    """Split by the dataset's own folders, or else stratify and keep near duplicates together.

    Args:
        sides: by photo name, True if an earlier run held the photo out, False if it trained on
            it. Photos keep their side, so that versions can be compared on photos new to both.

    Raises:
        DataError: a label has fewer than two photos to train on, or none is held out.
    """
    photos = [photo for photo in dataset.photos if photo.name not in report.left_out]
    if dataset.is_split:
        result = Split(
            dataset.labels,
            tuple(photo for photo in photos if photo.part in ("train", "added")),
            tuple(photo for photo in photos if photo.part == "held out"),
            tuple(photo for photo in photos if photo.part == "test"),
            "split by the dataset's own folders",
        )
    else:
        result = _stratify(dataset.labels, photos, report, seed, sides or {})
    _require_photos(dataset.labels, result.train, MIN_TRAINING_PHOTOS, "to train on")
    if not result.held_out:
        raise DataError("No photos are left to measure the model with. Add some.")
    return result


def _require_photos(
    labels: tuple[str, ...], photos: Sequence[LabelledPhoto], minimum: int, purpose: str
) -> None:
    counts = Counter(photo.label for photo in photos)
    if poor := [f"{label} ({counts[label]})" for label in labels if counts[label] < minimum]:
        raise DataError(f"Too few photos {purpose}: {list_some(poor)}. {ADVICE}")


def _stratify(
    labels: tuple[str, ...],
    all_photos: Sequence[LabelledPhoto],
    report: DataReport,
    seed: int,
    sides: Mapping[str, bool],
) -> Split:
    photos = [photo for photo in all_photos if photo.part is None]
    added = [photo for photo in all_photos if photo.part]
    _require_photos(labels, photos, MIN_TRAINING_PHOTOS + 1, "to split")
    photo_labels = np.array([photo.label for photo in photos])
    groups = np.array([report.groups[photo.name] for photo in photos])
    folds = min(FOLDS, _commonest(photo_labels), len(np.unique(groups)))
    decided: dict[int, bool] = {}
    for photo, group in zip(photos, groups.tolist(), strict=True):
        if photo.name in sides:
            # If one near duplicate was trained on, the others are as well.
            decided[group] = decided.get(group, True) and sides[photo.name]
    held_out = {place for place, group in enumerate(groups.tolist()) if decided.get(group)}
    new = np.flatnonzero([group not in decided for group in groups.tolist()])
    if len(np.unique(groups[new])) >= folds > 1:
        # If no label has enough photos for the folds, the split is not stratified.
        can_stratify = _commonest(photo_labels[new]) >= folds
        strata = photo_labels[new] if can_stratify else np.zeros(len(new))
        _, places = next(split_folds(strata, groups[new], seed, folds))
        held_out |= set(new[places].tolist())
    held_out = _add_missing_labels(photo_labels, groups, held_out)
    return Split(
        labels,
        (*(photo for place, photo in enumerate(photos) if place not in held_out), *added),
        tuple(photo for place, photo in enumerate(photos) if place in held_out),
        (),
        f"1 in {folds} of every label, near duplicates together (seed {seed}"
        f"{', photos that the last run held out stay held out' if decided else ''})",
    )


def _commonest(labels: NDArray[np.str_]) -> int:
    """Return how many photos the commonest label has."""
    return int(np.unique(labels, return_counts=True)[1].max())


def _add_missing_labels(
    labels: NDArray[np.str_], groups: NDArray[np.intp], held_out: set[int]
) -> set[int]:
    """Add the smallest group of each missing label that has two groups or more."""
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        if held_out.isdisjoint(places.tolist()):
            numbers, sizes = np.unique(groups[places], return_counts=True)
            if len(numbers) > 1:
                smallest = numbers[np.argmin(sizes)]
                held_out |= set(np.flatnonzero(groups == smallest).tolist())
    return held_out


FINGERPRINT_FILE = "photos.sha256"
"""The file that identifies the photos with which a training run began."""


@dataclass(frozen=True)
class PreparedData:
    """Photos ready to train on.

    ``copies`` are small copies of ``split.train``; ``held_out`` uint8
    [N, height, width, 3] are the exact pixels of ``split.held_out``; targets are indices
    of labels; ``hashes`` are the files' SHA-256 by the photo's name.
    """

    split: Split
    report: DataReport
    config: PreprocessConfig
    copies: Sequence[Path]
    targets: Sequence[int]
    held_out: Pixels
    held_out_targets: Sequence[int]
    hashes: Mapping[str, str]

    def training_pixels(self) -> Iterator[Pixels]:
        """Yield the training photos' small copies, preprocessed like photos to identify."""
        yield from map(self._read_copy, self.copies)

    def pixels_at(self, places: Iterable[int]) -> Iterator[Pixels]:
        """Yield pixels by index; held-out photos are numbered after training photos."""
        count = len(self.copies)
        for place in places:
            if place >= count:
                yield self.held_out[place - count]
            else:
                yield self._read_copy(self.copies[place])

    def _read_copy(self, path: Path) -> Pixels:
        with Image.open(path, formats=["JPEG"]) as copy:
            return preprocess(copy.convert("RGB"), self.config)


def find_training_photos(training: TrainingConfig) -> Dataset:
    """Find the photos and labels of a run, with the owner's changes.

    Raises:
        DataError: there are too few labels, or the changes cannot be read.
    """
    dataset = discover(training.folder, follow_links=not training.photo_set)
    if training.changes:
        dataset = apply_changes(dataset, read_changes(training.changes))
    return add_photos(dataset, training.also) if training.also else dataset


def scan_dataset(
    dataset: Dataset, config: PreprocessConfig, run_dir: Path, progress: Progress
) -> tuple[list[PhotoScan], DataReport]:
    """Read the photos of a run, and report on them."""
    scans = scan_photos(dataset.photos, run_dir / COPIES_DIR, config, progress)
    return scans, report_on(dataset, scans)


def prepare_data(
    training: TrainingConfig, config: PreprocessConfig, run_dir: Path, progress: Progress
) -> PreparedData:
    """Find, scan, report on and split the photos of a training run.

    Raises:
        DataError: they can't be trained on, or they changed since this run began.
    """
    dataset, folder = find_training_photos(training), run_dir / COPIES_DIR
    scans, report = scan_dataset(dataset, config, run_dir, progress)
    _require_same_photos(dataset.photos, scans, run_dir)
    known = find_sides(training.name)
    digests = {scan.name: scan.sha256[:HASH_DIGITS] for scan in scans}
    sides = {name: known[digest] for name, digest in digests.items() if digest in known}
    split = split_photos(dataset, report, training.seed, sides)
    for finding in report.findings:
        names = list_some(finding.names, 3)
        progress.note(f"{finding.description}: {len(finding.names):,} ({names})")
    progress.note(
        f"{len(split.labels)} labels: {len(split.train):,} photos to train on, "
        f"{len(split.held_out):,} held out ({split.how})"
    )
    if split.unmeasured:
        labels = list_some(split.unmeasured)
        progress.note(f"No held-out photos for {labels}, so those labels aren't measured.")
    copies = {scan.name: folder / scan.copy for scan in scans}
    return PreparedData(
        split=split,
        report=report,
        config=config,
        copies=[copies[photo.name] for photo in split.train],
        targets=split.targets(split.train),
        held_out=decode_photos(split.held_out, config, "Held-out photos", progress),
        held_out_targets=split.targets(split.held_out),
        hashes={scan.name: scan.sha256 for scan in scans},
    )


def _require_same_photos(
    photos: Sequence[LabelledPhoto], scans: Sequence[PhotoScan], run_dir: Path
) -> None:
    """Check that a resumed run has the photos it began with, each with its label and part."""
    rows = [
        (photo.name, photo.label, photo.part, scan.sha256)
        for photo, scan in zip(photos, scans, strict=True)
    ]
    fingerprint = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    path = run_dir / FINGERPRINT_FILE
    if path.is_file() and path.read_text() != fingerprint:
        raise DataError(
            "The photos changed since this training run began: some were added, removed, moved "
            f"or edited. Put them back, or delete {run_dir} to start over."
        )
    with replace_atomically(path) as temporary:
        temporary.write_text(fingerprint)


def decode_photos(
    photos: Sequence[LabelledPhoto], config: PreprocessConfig, stage: str, progress: Progress
) -> Pixels:
    """Return photos preprocessed like photos to identify, uint8 [N, height, width, 3].

    Raises:
        PhotoError: a photo changed since it was scanned, and can't be read any more.
    """

    def decode(photo: LabelledPhoto) -> Pixels:
        image = read(read_file(photo.path), resize=config.min_decode_size).image
        return preprocess(image, config)

    return np.stack(list(progress.track(stage, map_ordered(decode, photos), len(photos))))
