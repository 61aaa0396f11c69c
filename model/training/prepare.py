"""Prepare the photos of a training run: find, scan, report, split, preprocess."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..atomic import replace_atomically
from ..classifier import read_file
from ..errors import DataError, PhotoError
from ..photo import read
from ..photo_files import map_ordered, printable
from ..preprocess import Pixels, PreprocessConfig, preprocess
from ..text import list_some
from .config import TrainingConfig
from .data import (
    DataReport,
    LabelledPhoto,
    PhotoScan,
    Split,
    discover,
    report_on,
    scan_photos,
    split_photos,
)
from .progress import OnProgress, TrainingProgress

__all__ = ["PreparedData", "decode_photos", "load_pixels", "prepare_data"]

COPIES_DIR = "copies"
HELD_OUT_FILE = "held_out.npy"
FINGERPRINT_FILE = "photos.sha256"
"""The file that identifies the photos with which a training run began."""


@dataclass(frozen=True)
class PreparedData:
    """Photos ready to train on.

    ``copies`` are small copies of ``split.train``; ``held_out`` uint8
    [N, height, width, 3] are the exact pixels of ``split.held_out``; targets are indices
    of labels; ``scans`` are by the photo's name.
    """

    split: Split
    report: DataReport
    config: PreprocessConfig
    scans: dict[str, PhotoScan]
    copies: tuple[Path, ...]
    targets: tuple[int, ...]
    held_out: Pixels
    held_out_targets: tuple[int, ...]

    def training_pixels(self) -> Iterator[Pixels]:
        """Yield the training photos' small copies, preprocessed like photos to identify."""
        for path in self.copies:
            with Image.open(path, formats=["JPEG"]) as copy:
                yield preprocess(copy.convert("RGB"), self.config)


def prepare_data(
    training: TrainingConfig, config: PreprocessConfig, run_dir: Path, on_progress: OnProgress
) -> PreparedData:
    """Find, scan, report on and split the photos of a training run.

    Raises:
        DataError: they can't be trained on, or they changed since this run began.
    """
    dataset = discover(training.folder)
    folder = run_dir / COPIES_DIR
    scans = scan_photos(
        dataset.photos,
        folder,
        config,
        progress=lambda done, total: on_progress(TrainingProgress("Reading photos", done, total)),
    )
    _require_same_photos(dataset.photos, scans, run_dir)
    report = report_on(dataset, scans)
    split = split_photos(dataset, report, training.seed)
    for line in (*_report_lines(report), *_split_lines(split)):
        on_progress(TrainingProgress("Report", note=line))
    indices = {label: index for index, label in enumerate(split.labels)}
    by_name = {scan.name: scan for scan in scans}
    return PreparedData(
        split=split,
        report=report,
        config=config,
        scans=by_name,
        copies=tuple(folder / by_name[photo.name].copy for photo in split.train),
        targets=tuple(indices[photo.label] for photo in split.train),
        held_out=_held_out_pixels(split.held_out, by_name, config, run_dir, on_progress),
        held_out_targets=tuple(indices[photo.label] for photo in split.held_out),
    )


def _report_lines(report: DataReport) -> Iterator[str]:
    for finding in report.findings:
        yield f"{finding.description}: {len(finding.names):,} ({list_some(finding.names, 3)})"


def _split_lines(split: Split) -> Iterator[str]:
    yield (
        f"{len(split.labels)} labels: {len(split.train):,} photos to train on, "
        f"{len(split.held_out):,} held out ({split.how})"
    )
    if split.unmeasured:
        labels = list_some(split.unmeasured)
        yield f"No held-out photos for {labels}, so those labels aren't measured."


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


def _held_out_pixels(
    photos: Sequence[LabelledPhoto],
    scans: dict[str, PhotoScan],
    config: PreprocessConfig,
    run_dir: Path,
    on_progress: OnProgress,
) -> Pixels:
    if (pixels := load_pixels(photos, scans, run_dir)) is not None:
        return pixels
    path = run_dir / HELD_OUT_FILE
    if path.is_file():
        decoded: Pixels = np.load(path, allow_pickle=False)
        if decoded.shape == (len(photos), *config.size, 3):
            return decoded
    paths = [photo.path for photo in photos]
    decoded = np.stack([*decode_photos(paths, config, "Held-out photos", on_progress)])
    with replace_atomically(path) as temporary, temporary.open("wb") as file:
        np.save(file, decoded)
    return decoded


def load_pixels(
    photos: Sequence[LabelledPhoto], scans: dict[str, PhotoScan], run_dir: Path
) -> Pixels | None:
    """Return the pixels that the scan wrote, uint8 [N, height, width, 3], or None.

    The scan writes them only for photos that the dataset's own folders hold out, because
    other photos are not split yet when they are scanned.
    """
    paths = [run_dir / COPIES_DIR / scans[photo.name].copy for photo in photos]
    if not all(path.suffix == ".npy" for path in paths):
        return None
    return np.stack([np.load(path, allow_pickle=False) for path in paths])


def decode_photos(
    paths: Sequence[Path],
    config: PreprocessConfig,
    stage: str,
    on_progress: OnProgress,
    *,
    skip_unreadable: bool = False,
) -> Iterator[Pixels]:
    """Yield photos decoded and preprocessed like photos to identify, uint8 [height, width, 3].

    Args:
        paths: the photos.
        config: the bundle's preprocessing.
        stage: passed to ``on_progress``.
        on_progress: called after each photo.
        skip_unreadable: leave out photos that can't be read, and report how many.

    Raises:
        DataError: a photo can't be read, and ``skip_unreadable`` is false.
    """

    def decode_photo(path: Path) -> Pixels | None:
        try:
            image = read(read_file(path), resize=config.min_decode_size).image
        except PhotoError as error:
            if skip_unreadable:
                return None
            raise DataError(f"{printable(path)}: {error}") from error
        return preprocess(image, config)

    skipped = 0
    for done, pixels in enumerate(map_ordered(decode_photo, paths), 1):
        on_progress(TrainingProgress(stage, done, len(paths)))
        if pixels is None:
            skipped += 1
        else:
            yield pixels
    if skipped:
        note = f"{stage}: {skipped:,} can't be read, skipped."
        on_progress(TrainingProgress(stage, note=note))
