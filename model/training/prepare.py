"""Prepare the photos of a training run: find, scan, report, split, preprocess."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..classifier import read_file
from ..errors import DataError
from ..photo import read
from ..preprocess import Pixels, PreprocessConfig, preprocess
from ..progress import Progress
from ..storage.atomic import replace_atomically
from ..storage.labelled_photos import LabelledPhoto, add_photos, discover
from ..storage.photo_files import map_ordered
from ..text import list_some
from .config import TrainingConfig
from .data.data_report import DataReport, report_on
from .data.scan import PhotoScan, scan_photos
from .data.split import Split, split_photos

COPIES_DIR = "copies"
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
        for path in self.copies:
            with Image.open(path, formats=["JPEG"]) as copy:
                yield preprocess(copy.convert("RGB"), self.config)


def prepare_data(
    training: TrainingConfig, config: PreprocessConfig, run_dir: Path, progress: Progress
) -> PreparedData:
    """Find, scan, report on and split the photos of a training run.

    Raises:
        DataError: they can't be trained on, or they changed since this run began.
    """
    dataset, folder = discover(training.folder), run_dir / COPIES_DIR
    if training.also:
        dataset = add_photos(dataset, training.also)
    scans = scan_photos(dataset.photos, folder, config, progress)
    _require_same_photos(dataset.photos, scans, run_dir)
    report = report_on(dataset, scans)
    split = split_photos(dataset, report, training.seed)
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
