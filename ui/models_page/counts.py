"""What a model's card counts, as rows and sentences. Nothing is drawn here."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import pandas as pd

from model.bundle.card import ModelCard, ReliabilityBin
from model.evaluation import Confused, LabelScore
from ui.batch.table import cell
from ui.phrasing import escaped, listed, percent, shorten

__all__ = [
    "Counts",
    "area",
    "bin_sentence",
    "confused_frame",
    "exact",
    "mistake_frame",
    "score_rows",
]

TYPICAL = 0.8
"""The probability whose answers serve as the example."""

ENOUGH = 5
"""Photos from which a point of the reliability serves as one."""


class Counts:
    """A card's confusion by label. ``labels`` are all of the model's, in its order."""

    def __init__(self, card: ModelCard, labels: Sequence[str]) -> None:
        self.card, self.labels = card, tuple(labels)

    @cached_property
    def support(self) -> Counter[int]:
        """Photos that are of a label, by index."""
        found: Counter[int] = Counter()
        for truth, _, count in self.card.confusion:
            found[truth] += count
        return found

    @cached_property
    def right(self) -> int:
        """Photos that were called what they are."""
        return sum(count for truth, said, count in self.card.confusion if truth == said)

    @cached_property
    def present(self) -> list[int]:
        """Labels that have photos or were said of one, in the model's order."""
        pairs = self.card.confusion
        return sorted({index for truth, said, _ in pairs for index in (truth, said)})

    @cached_property
    def confused(self) -> list[Confused]:
        """The wrong pairs, most frequent first."""
        wrong = [pair for pair in self.card.confusion if pair[0] != pair[1]]
        wrong.sort(key=lambda pair: (-pair[2], pair[0], pair[1]))
        return [
            Confused(self.labels[truth], self.labels[said], count) for truth, said, count in wrong
        ]

    @cached_property
    def scores(self) -> list[tuple[LabelScore, str]]:
        """Each label's figures, and what it is most often called instead; the worst first."""
        said: Counter[int] = Counter()
        right: Counter[int] = Counter()
        instead: dict[int, tuple[int, int]] = {}
        for truth, called, count in self.card.confusion:
            said[called] += count
            if truth == called:
                right[truth] += count
            elif count > instead.get(truth, (0, 0))[0]:
                instead[truth] = (count, called)
        found = [
            (
                LabelScore.of(self.labels[one], self.support[one], said[one], right[one]),
                f"{self.labels[instead[one][1]]} ({instead[one][0]:,})" if one in instead else "",
            )
            for one in self.present
        ]
        return sorted(found, key=lambda pair: (_recall(pair[0]), -pair[0].support))

    def label_frame(self, search: str = "") -> pd.DataFrame:
        """The table of labels whose name holds ``search``, the worst first."""
        return pd.DataFrame(
            [
                {
                    "Label": cell(score.label),
                    "Found": score.recall and 100 * score.recall.value,
                    "Photos": score.support,
                    "Right": score.right,
                    "Interval": score.recall
                    and f"{exact(score.recall.low)} to {exact(score.recall.high)}",
                    "Right when said": None if score.precision is None else 100 * score.precision,
                    "Most confused with": cell(instead),
                }
                for score, instead in self.scores
                if search.strip().casefold() in score.label.casefold()
            ]
        )

    def matrix(self) -> pd.DataFrame:
        """Every pair that occurred, with its share of the label's photos."""
        return pd.DataFrame(
            {
                "label": self.labels[truth],
                "said": self.labels[said],
                "count": count,
                "share": count / self.support[truth],
                "right": truth == said,
            }
            for truth, said, count in self.card.confusion
        )

    def sentence(self, most: int = 3) -> str:
        """How many were right, and what is confused most, as Markdown."""
        start = f"Right for **{self.right:,} of {self.card.photos:,} photos**"
        pairs = [
            f"{escaped(shorten(pair.label, 40))} for {escaped(shorten(pair.predicted or '', 40))} "
            f"({pair.count:,})"
            for pair in self.confused[:most]
        ]
        return f"{start}. It most often takes {listed(pairs)}." if pairs else f"{start}: all."


def _recall(score: LabelScore) -> float:
    return score.recall.value if score.recall else 2.0


def confused_frame(counts: Counts, most: int = 200) -> pd.DataFrame:
    """The most frequent confusions, a row a pair."""
    support = {counts.labels[index]: count for index, count in counts.support.items()}
    return pd.DataFrame(
        {
            "It is": cell(pair.label),
            "It was called": cell(pair.predicted or ""),
            "Photos": pair.count,
            "Of its photos": 100 * pair.count / support[pair.label],
        }
        for pair in counts.confused[:most]
    )


def mistake_frame(card: ModelCard, labels: Sequence[str]) -> pd.DataFrame:
    """The wrong answers, the most confident first."""
    return pd.DataFrame(
        {
            "It is": cell(labels[one.label]),
            "It was called": cell(labels[one.said]),
            "Probability": 100 * one.probability,
            "Photo": cell(one.photo),
        }
        for one in sorted(card.mistakes, key=lambda one: -one.probability)
    )


def bin_sentence(bins: Sequence[ReliabilityBin]) -> str:
    """'Of the 18 answers given with about 79%, 78% were right.'; empty without any."""
    typical = [one for one in bins if one.photos >= ENOUGH] or list(bins)
    if not typical:
        return ""
    one = min(typical, key=lambda one: abs(one.confidence - TYPICAL))
    return (
        f"Of the {one.photos:,} answers given with about {one.confidence:.0%}, "
        f"{one.accuracy:.0%} were right."
    )


def area(auroc: float) -> str:
    """An AUROC with three digits; only a whole one is 1.000."""
    return f"{auroc if auroc == 1 else min(auroc, 0.999):.3f}"


def exact(share: float) -> str:
    """As ``percent``, but nothing is nothing: of some photos none may have been let in."""
    return percent(share) if share else "0%"


def score_rows(card: ModelCard) -> list[dict[str, str]]:
    """The ways to tell strangers that were compared, as Markdown, the best first."""
    return [
        {
            "Way": f"**{escaped(one.name)}** (used)" if one.kept else escaped(one.name),
            "AUROC": area(one.auroc),
            "Let in": exact(one.let_in),
            "Size": f"{max(1, round(one.bytes / 1000)):,} kB" if one.bytes else "none",
        }
        for one in sorted(card.scores, key=lambda one: -one.auroc)
    ]
