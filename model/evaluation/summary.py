"""Answers and true labels, summed up."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..prediction import Prediction
from .results import Confused, Evaluation, LabelScore, PhotoFailure, Proportion
from .statistics import expected_calibration_error

__all__ = ["Row", "Summary", "refuse_multilabel", "summarise"]


@dataclass(frozen=True, slots=True)
class Row:
    """A photo, by name, with its true label and what the model said of it."""

    photo: str
    label: str
    prediction: Prediction


class Summary:
    """Takes rows one by one and keeps two numbers of each, so that any number of them fits."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._known = frozenset(labels)
        self._pairs: Counter[tuple[str, str | None]] = Counter()
        self._in_top5 = 0
        self._confidence: list[float] = []
        self._right: list[bool] = []
        self._last: Prediction | None = None

    def add(self, row: Row) -> None:
        """Count a row.

        Raises:
            DataError: its label is not one of the model's, or the model is multi-label.
        """
        if row.label not in self._known:
            raise DataError(f"{row.label!r}, the label of {row.photo}, is not one of the model's.")
        refuse_multilabel(row.prediction.multilabel)
        self._last = row.prediction
        first, *others = row.prediction.top(5)
        unknown = row.prediction.known is False
        self._pairs[row.label, None if unknown else first.label] += 1
        self._in_top5 += row.label in {first.label, *(other.label for other in others)}
        self._confidence.append(first.probability)
        self._right.append(first.label == row.label)

    def evaluation(
        self,
        refused: Iterable[PhotoFailure] = (),
        seconds: float | None = None,
        left_out: Iterable[str] = (),
    ) -> Evaluation:
        """All figures of the rows so far.

        Raises:
            DataError: there was no row.
        """
        refused = tuple(refused)
        if self._last is None:
            raise DataError(_nothing(refused))
        photos = self._pairs.total()
        unknown = sum(count for (_, said), count in self._pairs.items() if said is None)
        return Evaluation(
            model=self._last.model,
            version=self._last.version,
            engine=self._last.engine,
            photos=photos,
            accuracy=Proportion.of(sum(self._right), photos),
            answered=Proportion.of(self._answered(), photos),
            top5=Proportion.of(self._in_top5, photos) if len(self.labels) > 5 else None,
            unknown=Proportion.of(unknown, photos),
            labels=self._scores(),
            confusion=tuple(
                Confused(label, said, count) for (label, said), count in self._pairs.most_common()
            ),
            calibration_error=expected_calibration_error(
                np.array(self._confidence, np.float64), np.array(self._right, np.bool_)
            ),
            seconds=seconds,
            refused=refused,
            left_out=tuple(left_out),
        )

    def _answered(self) -> int:
        return sum(count for (label, said), count in self._pairs.items() if label == said)

    def _scores(self) -> tuple[LabelScore, ...]:
        support: Counter[str] = Counter()
        predicted: Counter[str | None] = Counter()
        for (label, said), count in self._pairs.items():
            support[label] += count
            predicted[said] += count
        return tuple(
            LabelScore.of(label, support[label], predicted[label], self._pairs[label, label])
            for label in self.labels
            if support[label] or predicted[label]
        )


def summarise(
    labels: Sequence[str],
    rows: Iterable[Row],
    refused: Iterable[PhotoFailure] = (),
    seconds: float | None = None,
) -> Evaluation:
    """The figures of photos that were answered already.

    Args:
        labels: all labels of the model, in its order.
        rows: what was answered; all by the same model.
        refused: photos that could not be read: reported, not counted as wrong.
        seconds: wall clock that all of it took.

    Raises:
        DataError: no rows, a label that the model does not have, or a multi-label model.
    """
    summary = Summary(labels)
    for row in rows:
        summary.add(row)
    return summary.evaluation(refused, seconds)


def refuse_multilabel(multilabel: bool) -> None:
    """A folder a label says one thing of a photo, and such a model says several.

    Raises:
        DataError: the model is multi-label.
    """
    if multilabel:
        raise DataError(
            "This model gives several labels to a photo, and folders name only one of them: "
            "measured like this, right answers would count as wrong. Only models with one "
            "answer can be measured."
        )


def _nothing(refused: Sequence[PhotoFailure]) -> str:
    if refused:
        return f"All {len(refused):,} photos were refused, the first because: {refused[0].message}"
    return "There is no photo to measure."
