"""Evaluate a model on a folder with one folder per label."""

import re
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from ..bundle import HASH_DIGITS, Bundle
from ..classifier import Classifier
from ..errors import DataError, PhotoError
from ..events import SILENT, Progress
from ..storage.disk import hash_file
from ..storage.labelled_photos import list_subfolders
from ..storage.photo_files import list_photos, map_ordered, printable
from ..text import MAX_LISTED, list_some
from .metrics import Evaluation, PhotoFailure, Row, require_single_label, summarise

UNRECORDED = "The model doesn't record its training photos, so some of these may be among them."


def evaluate(classifier: Classifier, folder: Path, progress: Progress = SILENT) -> Evaluation:
    """Identify every photo and compare the prediction with its folder's name.

    Folders whose names match no label are skipped and listed in the result. Photos that
    cannot be read are reported and don't count as wrong.

    Raises:
        DataError: the folder, its names or the kind of model do not fit.
    """
    require_single_label(classifier.bundle.manifest.multilabel)
    photos, left_out = labelled_photos(folder, classifier.bundle.labels)

    def identify(item: tuple[Path, str]) -> Row | PhotoFailure:
        photo, label = item
        name = printable(photo.relative_to(folder))
        try:
            return Row(name, label, classifier.identify(photo, timeout=None))
        except PhotoError as error:
            return PhotoFailure.of(name, error)

    began = time.perf_counter()
    with closing(map_ordered(identify, photos)) as identified:
        results = progress.track("Evaluating", identified, len(photos))
        evaluation = summarise(classifier.bundle.labels, results)
    seconds = time.perf_counter() - began
    return replace(evaluation, seconds=seconds, left_out=tuple(left_out))


def labelled_photos(
    folder: Path, labels: Sequence[str]
) -> tuple[list[tuple[Path, str]], list[str]]:
    """Return photos with their labels, and the names of folders that match no label.

    Raises:
        DataError: the folder cannot be read, matches no label, or holds no photo.
    """
    match = match_folders([path.name for path in list_subfolders(folder)], labels)
    photos = [
        (photo, label)
        for name, label in match.labels.items()
        for photo in list_photos(folder / name)
    ]
    if not photos:
        raise DataError(f"No photos found in the folders of {folder}.")
    return photos, list(match.unmatched)


def find_trained(bundle: Bundle, photos: Iterable[Path]) -> list[Path] | None:
    """Return the photos that the model was trained on, byte by byte; None if it can't be known."""
    if (trained := bundle.training_photos) is None:
        return None

    def is_trained(photo: Path) -> bool:
        try:
            return hash_file(photo)[:HASH_DIGITS] in trained
        except OSError:  # whoever reads it next reports that
            return False

    return [photo for photo in photos if is_trained(photo)]


@dataclass(frozen=True, slots=True)
class FolderMatch:
    """Labels of folders: ``labels`` by the folder's name, ``unmatched`` folders without one."""

    labels: dict[str, str]
    unmatched: tuple[str, ...]


def match_folders(names: Iterable[str], labels: Sequence[str]) -> FolderMatch:
    """Find the label that each folder's name means.

    An exact match comes first. Otherwise case is ignored, and underscores, hyphens and
    slashes count as spaces, provided that only one label fits.

    Raises:
        DataError: no name matches a label; the message lists names and similar labels.
    """
    names, exact = list(names), set(labels)
    counts = Counter(map(_normalize, labels))
    unique = {_normalize(label): label for label in labels if counts[_normalize(label)] == 1}
    candidates = {name: name if name in exact else unique.get(_normalize(name)) for name in names}
    matched = {name: label for name, label in candidates.items() if label is not None}
    unmatched = tuple(name for name in names if name not in matched)
    if not matched:
        raise DataError(_no_match(unmatched, labels))
    return FolderMatch(matched, unmatched)


def _normalize(name: str) -> str:
    # macOS writes names decomposed (NFD); labels are usually composed.
    composed = unicodedata.normalize("NFC", name).casefold()
    return re.sub(r"[\s_/-]+", " ", composed).strip()


def _no_match(names: Sequence[str], labels: Sequence[str]) -> str:
    if not names:
        return "There are no folders to take labels from. Use one folder per label."
    keys = {_normalize(label): label for label in labels}

    def describe(name: str) -> str:
        similar = [keys[key] for key in get_close_matches(_normalize(name), keys, n=3)]
        return f"{name!r} (similar: {', '.join(similar)})" if similar else repr(name)

    listed = list_some([*map(describe, names[:MAX_LISTED]), *names[MAX_LISTED:]])
    return (
        f"No folder matches any of the model's {len(labels):,} labels. The folders are {listed}. "
        "Name one folder per label and pass their parent folder."
    )
