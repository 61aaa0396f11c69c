"""Paired outcomes of two models on the same photos, and whether the new one may replace the old."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..answer.phrases import spell_number
from ..text import clean, count_of
from .metrics import Z95

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
