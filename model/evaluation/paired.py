"""Two models on the same photos: whether the new one may replace the old; doubts about either."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from ..answer.phrases import format_percent, spell_number
from ..bundle import ManifestDraft, Metric
from ..bundle.manifest import MAX_TEMPERATURE, MIN_TEMPERATURE
from ..classifier import Classifier, read_file
from ..errors import DataError, PhotoError
from ..events import SILENT, Progress
from ..photo import read
from ..storage.photo_files import map_ordered, printable
from ..text import clean, count_of, list_some
from .labelled_folders import find_trained, labelled_photos
from .metrics import Z95, Evaluation, PhotoFailure, Proportion, Row, Tally, require_single_label


def doubt_of_model(manifest: ManifestDraft, accuracy: Metric | Proportion | None) -> str:
    """Return why a single-label model can't be trusted, or "" if nothing speaks against it."""
    reasons, chance = [], 1 / len(manifest.labels)
    if accuracy and accuracy.low <= chance < 1:
        reasons.append(f"isn't measurably better than guessing ({format_percent(chance)})")
    temperature = manifest.calibration.temperature if manifest.calibration else 1.0
    # The fit stops just short of its limits.
    if not 1.01 * MIN_TEMPERATURE < temperature < 0.99 * MAX_TEMPERATURE:
        reasons.append("has a temperature at the limit, so its percentages mean nothing")
    if not reasons:
        return ""
    return (
        f"The model {', and '.join(reasons)}: check that each folder holds photos of the label in "
        "its name, and that an imported model's preprocessing is that of its training."
    )


def doubt_of_folders(unmatched: Sequence[str]) -> str:
    """Return a sentence about folders whose names match no label; empty if there are none."""
    names = list_some(unmatched)
    return f"No label is called {names}: check the names of these folders." if unmatched else ""


MARGIN = 1
"""Non-inferiority margin: the loss that the interval must exclude, in percentage points."""

MAX_LOST = 3
"""Most photos that a label may lose net."""


def mcnemar_exact(only_old: int, only_new: int) -> float:
    """Return the two-sided p-value of McNemar's exact test; 1 without discordant pairs.

    Source: McNemar, Note on the Sampling Error of the Difference Between Correlated Proportions or
    Percentages, 1947, here with the binomial distribution of the discordant pairs.
    """
    count, splits, tail = only_old + only_new, 1, 0
    for right in range(min(only_old, only_new) + 1):
        tail += splits
        splits = splits * (count - right) // (right + 1)
    # Divided as integers, because a float ends at 2 to the power of 1,023.
    return min(1.0, float(2 * tail / 2**count))


def tango_interval(only_old: int, only_new: int, photos: int) -> tuple[float, float]:
    """Return the 95% score interval of new accuracy minus old accuracy, each -1 to 1.

    It holds the differences that the score test does not reject, and (-1, 1) without photos.
    Unlike Wald's interval, it is suited to few discordant pairs, and to none.

    Source: Tango, Equivalence Test and Confidence Interval for the Difference in Proportions for
    the Paired-Sample Design, 1998.
    """
    if photos == 0:
        return -1.0, 1.0
    net = only_new - only_old

    def is_rejected(difference: float) -> bool:
        # The likeliest share of only_old, if this were the true difference.
        slope = (2 * photos - net) * difference - only_old - only_new
        root = slope**2 + 8 * photos * only_old * difference * (1 - difference)
        share = (math.sqrt(max(0.0, root)) - slope) / (4 * photos)
        variance = photos * (2 * share + difference * (1 - difference))
        return (net - photos * difference) ** 2 > Z95**2 * variance

    def find_limit(inside: float, outside: float) -> float:
        for _ in range(60):  # to the last bit
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if is_rejected(middle) else (middle, outside)
        return inside

    return find_limit(net / photos, -1.0), find_limit(net / photos, 1.0)


@dataclass(frozen=True, slots=True)
class PairedTable:
    """The 2 × 2 table of paired outcomes; ``net`` and ``interval`` are the new model's gain."""

    both_right: int
    only_old: int
    only_new: int
    both_wrong: int
    photos: int
    old_right: int
    new_right: int
    net: int
    interval: tuple[float, float]
    p_value: float

    @classmethod
    def of(cls, both_right: int, only_old: int, only_new: int, both_wrong: int) -> "PairedTable":
        """Return the table for these counts."""
        counts = both_right, only_old, only_new, both_wrong
        sums = sum(counts), both_right + only_old, both_right + only_new, only_new - only_old
        interval = tango_interval(only_old, only_new, sums[0])
        return cls(*counts, *sums, interval, mcnemar_exact(only_old, only_new))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the new model may replace the old one without a second question, and why.

    ``limits`` are sentences on what the photos can't show.
    """

    may_replace: bool
    headline: str
    reasons: tuple[str, ...]
    limits: tuple[str, ...]


def judge_replacement(table: PairedTable, labels: Mapping[str, PairedTable]) -> Verdict:
    """Return the verdict from the table of all photos and those of every label."""
    low, most, reasons, limits = 100 * table.interval[0], spell_number(MAX_LOST), [], []
    if low <= -MARGIN:
        reasons.append(f"The new one could be worse by {-low:.1f} points. The limit is {MARGIN}.")
        # With no discordant pairs, the lower limit is -z² / (photos + z²).
        needed = math.floor(Z95**2 * (100 / MARGIN - 1)) + 1
        if table.photos < needed:
            few = f"{count_of(table.photos, 'photo')} can't rule out a loss of {MARGIN} point"
            limits.append(f"{few}, even if no answer changes: that takes {needed:,}.")
    for label, counts in labels.items():
        if counts.net < -MAX_LOST:
            reasons.append(f"{clean(label)} loses {-counts.net} photos net. The limit is {most}.")
    rarest, counts = min(labels.items(), key=lambda item: item[1].photos)
    if (hidden := -100 * counts.interval[0]) >= MARGIN:
        few = f"{clean(rarest)} has the fewest photos, {counts.photos:,}"
        limits.append(f"{few}: a loss of {hidden:.0f} points there could go unseen.")
    if not reasons:
        text = f"The lower limit is above −{MARGIN}, and no label loses more than {most}."
        return Verdict(True, "The new one may replace the old", (text,), tuple(limits))
    headline = "The new one needs a second look before it replaces the old"
    return Verdict(False, headline, tuple(reasons), tuple(limits))


def describe_difference(table: PairedTable) -> str:
    """Return the difference of the accuracies with its interval, in a sentence."""
    count = f"{abs(table.net):,} {'more' if table.net > 0 else 'fewer'}" if table.net else "as many"
    shares = table.net / table.photos, *table.interval
    value, low, high = (f"{100 * share:+.1f}".replace("-", "−") for share in shares)
    result = f"right on {count} of the same {count_of(table.photos, 'photo')}"
    return f"The new one is {result}: {value} points (95% CI {low} to {high})."


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
