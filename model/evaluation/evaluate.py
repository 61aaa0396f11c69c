"""Evaluate a model on a folder with one folder per label."""

import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ..classifier import Classifier
from ..errors import DataError, PhotoError
from ..photo_files import list_photos, map_ordered, printable
from ..prediction import Prediction
from .tables import Evaluation, EvaluationCounter, PhotoFailure, Row, require_single_label

__all__ = ["Matched", "evaluate", "labelled_photos", "match"]

MAX_LISTED = 8
"""Most unmatched names that a message lists."""


def evaluate(
    classifier: Classifier,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Identify every photo and compare with the folders' names.

    Folders whose names match no label are skipped and listed in the result. Photos that
    cannot be read are reported and don't count as wrong.

    Args:
        classifier: the model; it must give one label per photo.
        folder: holds one folder per label.
        progress: called in this thread with the number of photos done and their total.
            An exception that it raises stops the evaluation.

    Raises:
        DataError: the folder, its names or the kind of model do not fit.
    """
    require_single_label(classifier.bundle.manifest.multilabel)
    photos, left_out = labelled_photos(folder, classifier.bundle.labels)
    counter, refused = EvaluationCounter(classifier.bundle.labels), []

    def identify(item: tuple[Path, str]) -> tuple[str, str, Prediction | PhotoError]:
        photo, label = item
        name = printable(photo.relative_to(folder))
        try:
            return name, label, classifier.identify(photo, timeout=None)
        except PhotoError as error:
            return name, label, error

    progress(0, len(photos))
    began = time.perf_counter()
    with closing(map_ordered(identify, photos)) as answers:
        for done, (name, label, answer) in enumerate(answers, 1):
            if isinstance(answer, PhotoError):
                refused.append(PhotoFailure.of(name, answer))
            else:
                counter.add(Row(name, label, answer))
            progress(done, len(photos))
    return counter.evaluation(refused, time.perf_counter() - began, left_out)


def labelled_photos(
    folder: Path, labels: Sequence[str]
) -> tuple[list[tuple[Path, str]], list[str]]:
    """Return photos with their labels, and the names of folders that match no label.

    Raises:
        DataError: the folder cannot be read, matches no label, or holds no photo.
    """
    try:
        names = sorted(
            path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."
        )
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.") from error
    matched = match(names, labels)
    photos = [
        (photo, label)
        for name, label in matched.found.items()
        for photo in list_photos(folder / name)
    ]
    if not photos:
        raise DataError(f"There is no photo in the folders of {folder}.")
    return photos, list(matched.left_out)


@dataclass(frozen=True, slots=True)
class Matched:
    """Folders by label: ``found`` maps a folder's name to its label; ``left_out`` match none."""

    found: dict[str, str]
    left_out: tuple[str, ...]


def match(names: Iterable[str], labels: Sequence[str]) -> Matched:
    """Find the label of each folder's name.

    An exact match comes first. Otherwise case is ignored, and underscores, hyphens and
    slashes count as spaces, provided that only one label fits.

    Raises:
        DataError: no name matches a label; the message lists names and similar labels.
    """
    names, exact = list(names), set(labels)
    keys = Counter(map(_key, labels))
    loose = {_key(label): label for label in labels if keys[_key(label)] == 1}
    by_name = {name: name if name in exact else loose.get(_key(name)) for name in names}
    matched = {name: label for name, label in by_name.items() if label is not None}
    left_out = tuple(name for name in names if name not in matched)
    if not matched:
        raise DataError(_no_match(left_out, labels))
    return Matched(matched, left_out)


def _key(name: str) -> str:
    # macOS writes names decomposed (NFD); labels are usually composed.
    plain = unicodedata.normalize("NFC", name).casefold()
    return re.sub(r"[\s_/-]+", " ", plain).strip()


def _no_match(names: Sequence[str], labels: Sequence[str]) -> str:
    if not names:
        return "There are no folders to take labels from. Use one folder per label."
    keys = {_key(label): label for label in labels}
    listed = []
    for name in names[:MAX_LISTED]:
        similar = [keys[key] for key in get_close_matches(_key(name), keys, n=3)]
        listed.append(f"{name!r} (near: {', '.join(similar)})" if similar else repr(name))
    more = f" and {len(names) - MAX_LISTED:,} more" if len(names) > MAX_LISTED else ""
    return (
        f"No folder matches any of the model's {len(labels):,} labels: {', '.join(listed)}{more}. "
        "Name one folder per label and pass their parent folder."
    )
