"""Prepare the photos of a training run: find, scan, report, split, preprocess."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..bundle import HASH_DIGITS
from ..classifier import read_file
from ..errors import DataError
from ..photo import read
from ..preprocess import Pixels, PreprocessConfig, preprocess
from ..progress import Progress
from ..storage.atomic import replace_atomically
from ..storage.labelled_photos import Dataset, LabelledPhoto, add_photos, discover
from ..storage.photo_files import map_ordered
from ..text import list_some
from .config import COPIES_DIR, TrainingConfig
from .data.data_report import DataReport, report_on
from .data.scan import PhotoScan, scan_photos
from .data.split import Split, split_photos
from .photo_sets import apply_changes, read_changes
from .stored_predictions import find_sides

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
    """Check that a resumed run has the photos it began with, each with its label and part.

    Raises:
        DataError: one was added, removed, changed or moved since the run began.
    """
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
