"""Evaluate two models on the same photos, in a folder with one folder per label."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from ..classifier import Classifier, read_file
from ..errors import DataError, PhotoError
from ..events import SILENT, Progress
from ..photo import read
from ..storage.photo_files import map_ordered, printable
from ..text import clean, list_some
from .labelled_folders import find_trained, labelled_photos
from .paired import PairedTable, Verdict, judge_replacement
from .tables import Evaluation, PhotoFailure, Row, Tally, require_single_label


@dataclass(frozen=True, slots=True)
class ChangedPhoto:
    """A photo with its true label, and top labels that differ; a result has losses first."""

    photo: str
    label: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class PairedEvaluation:
    """The figures of two models on the same photos; right is a top label that is the true one.

    ``labels`` has every label, ``left_out`` folders without one, ``trained`` how many photos were
    left out because a model was trained on them.
    """

    old: Evaluation
    new: Evaluation
    table: PairedTable
    labels: dict[str, PairedTable]
    changed: tuple[ChangedPhoto, ...]
    verdict: Verdict
    left_out: tuple[str, ...] = ()
    trained: int = 0


def evaluate_pair(
    old: Classifier, new: Classifier, folder: Path, progress: Progress = SILENT
) -> PairedEvaluation:
    """Let both models identify every photo; otherwise as ``evaluate``.

    Each photo is decoded once, at the larger of the sizes that the models need. Photos that can't
    be read, and those that one of the models was trained on, are left out for both.

    Raises:
        DataError: the labels differ, or the folder, its names or the kind of model do not fit.
    """
    labels = old.bundle.labels
    require_single_label(old.bundle.manifest.multilabel or new.bundle.manifest.multilabel)
    if differing := {*labels} ^ {*new.bundle.labels}:
        names = list_some(sorted(map(clean, differing)))
        raise DataError(f"Only one model has the labels {names}. Both need the same labels.")
    found, left_out = labelled_photos(folder, labels)
    trained = {path for side in (old, new) for path in find_trained(side.bundle, dict(found)) or ()}
    photos = [(path, label) for path, label in found if path not in trained]
    if not photos:
        raise DataError(
            f"The models were trained on all photos in {folder}. Use photos that neither has seen."
        )
    side_px = max(side.bundle.manifest.recipe.min_decode_size for side in (old, new))

    def identify(item: tuple[Path, str]) -> tuple[Row, Row] | PhotoFailure:
        path, label = item
        name = printable(path.relative_to(folder))
        try:
            photo = read(read_file(path), resize=side_px)
            before = Row(name, label, old.identify(photo, timeout=None))
            after = before if new is old else Row(name, label, new.identify(photo, timeout=None))
        except PhotoError as error:
            return PhotoFailure.of(name, error)
        return before, after

    with closing(map_ordered(identify, photos)) as identified:
        figures = summarise_pair(labels, progress.track("Comparing", identified, len(photos)))
    return replace(figures, left_out=tuple(left_out), trained=len(trained))


def summarise_pair(
    labels: Sequence[str], results: Iterable[tuple[Row, Row] | PhotoFailure]
) -> PairedEvaluation:
    """Return the figures for photos with their old and new predictions; see ``summarise``."""
    old, new, changed = Tally(labels), Tally(labels), list[ChangedPhoto]()
    counts = {label: [0, 0, 0, 0] for label in labels}
    for result in results:
        before, after = (result, result) if isinstance(result, PhotoFailure) else result
        old.add(before)
        new.add(after)
        if isinstance(before, Row) and isinstance(after, Row):
            first, second = (row.prediction.top(1)[0].label for row in (before, after))
            label = before.label
            counts[label][2 * (first != label) + (second != label)] += 1
            if first != second:
                changed.append(ChangedPhoto(before.photo, label, first, second))
    changed.sort(key=lambda photo: photo.old != photo.label)
    sides = old.summarise(), new.summarise()
    tables = {label: PairedTable.of(*counts[label]) for label in labels}
    table = PairedTable.of(*map(sum, zip(*counts.values(), strict=True)))
    return PairedEvaluation(*sides, table, tables, tuple(changed), judge_replacement(table, tables))
