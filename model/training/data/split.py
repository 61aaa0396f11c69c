"""Which photos are learnt from, and which are held out to measure."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from .discover import Dataset, LabelledPhoto
from .report import Report

__all__ = ["Split", "split"]

FOLDS = 5
"""One fold of as many is held out where folders do not say it."""

LEAST = 2


@dataclass(frozen=True, slots=True)
class Split:
    """Photos by what they are for; ``how`` says in words how it was decided."""

    labels: tuple[str, ...]
    train: tuple[LabelledPhoto, ...]
    held_out: tuple[LabelledPhoto, ...]
    test: tuple[LabelledPhoto, ...]
    how: str

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """Labels of which no photo is held out."""
        measured = {photo.label for photo in self.held_out}
        return tuple(label for label in self.labels if label not in measured)


def split(found: Dataset, report: Report, seed: int = 0) -> Split:
    """Follow the folders' names where they say it; else stratify with duplicates together.

    Source: scikit-learn's ``StratifiedGroupKFold``.

    Raises:
        DataError: a label has fewer than two photos to learn from, or none was held out.
    """
    photos = [photo for photo in found.photos if photo.name not in report.left_out]
    if found.parted:
        result = Split(
            found.labels,
            tuple(photo for photo in photos if photo.part == "train"),
            tuple(photo for photo in photos if photo.part == "held out"),
            tuple(photo for photo in photos if photo.part == "test"),
            "as the folders are named",
        )
    else:
        result = _stratified(found.labels, photos, report, seed)
    counts = Counter(photo.label for photo in result.train)
    if poor := [label for label in found.labels if counts[label] < LEAST]:
        raise DataError(
            f"Too few photos to learn from: {', '.join(f'{x} ({counts[x]})' for x in poor)}. "
            "Each label needs three or more that can be read and are not copies; ten make sense."
        )
    if not result.held_out:
        raise DataError("There is no photo left to measure the model with. Add some.")
    return result


def _stratified(
    labels: tuple[str, ...], photos: Sequence[LabelledPhoto], report: Report, seed: int
) -> Split:
    from sklearn.model_selection import StratifiedGroupKFold

    counts = Counter(photo.label for photo in photos)
    if poor := [label for label in labels if counts[label] < LEAST + 1]:
        raise DataError(
            f"Too few photos: {', '.join(f'{label} ({counts[label]})' for label in poor)}. "
            "Each label needs three or more that can be read and are not copies; ten make sense."
        )
    folds = min(FOLDS, max(counts.values()))
    kinds = np.array([photo.label for photo in photos])
    groups = np.array([report.groups[photo.name] for photo in photos])
    maker = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A label with fewer photos than folds.
        warnings.simplefilter("ignore", UserWarning)
        _, places = next(iter(maker.split(kinds, kinds, groups)))
    held_out = _of_every_label(kinds, groups, set(places.tolist()))
    return Split(
        labels,
        tuple(photo for place, photo in enumerate(photos) if place not in held_out),
        tuple(photo for place, photo in enumerate(photos) if place in held_out),
        (),
        f"one photo in {folds}, of every label alike, near duplicates together (seed {seed})",
    )


def _of_every_label(
    kinds: NDArray[np.str_], groups: NDArray[np.intp], held_out: set[int]
) -> set[int]:
    """Held-out places with at least one group of each label that has two or more."""
    for label in np.unique(kinds):
        own = np.flatnonzero(kinds == label)
        if held_out.isdisjoint(own.tolist()):
            numbers, sizes = np.unique(groups[own], return_counts=True)
            if len(numbers) > 1:
                smallest = numbers[np.argmin(sizes)]
                held_out |= set(np.flatnonzero(groups == smallest).tolist())
    return held_out
