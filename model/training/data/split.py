"""The split of the photos into those to train on, held-out ones and test ones."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...calibration.fit import split_folds
from ...errors import DataError
from ...storage.labelled_photos import Dataset, LabelledPhoto
from ...text import list_some
from ..config import MIN_TRAINING_PHOTOS
from .data_report import DataReport

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
        dataset: all photos.
        report: the report on them, with the groups of near duplicates.
        seed: the seed of the shuffle.
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
