"""Counts of predictions and true labels, and the figures computed from them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ..errors import DataError, LoupeError
from ..prediction import Prediction
from .metrics import LabelScore, Proportion, expected_calibration_error

__all__ = [
    "Confused",
    "Evaluation",
    "EvaluationCounter",
    "PhotoFailure",
    "Row",
    "label_scores",
    "require_single_label",
    "summarise",
]


@dataclass(frozen=True, slots=True)
class Row:
    """A photo by name, with its true label and the model's prediction."""

    photo: str
    label: str
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class Confused:
    """``count`` photos of ``label`` were given ``predicted``; None is "none of these"."""

    label: str
    predicted: str | None
    count: int


@dataclass(frozen=True, slots=True)
class PhotoFailure:
    """A photo that could not be read, and the reason."""

    photo: str
    code: str
    message: str

    @classmethod
    def of(cls, photo: str, error: LoupeError) -> "PhotoFailure":
        """Return the failure for an error."""
        return cls(photo, error.code, str(error))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of one model on one set of photos.

    Attributes:
        photos: number of photos that were read and measured.
        accuracy: the top label is the true one.
        answered: the answer as displayed is correct; "none of these" counts as wrong.
        top5: the true label is among the first five; None for a model with five labels
            or fewer.
        unknown: photos answered with "none of these".
        labels: those with a photo or an answer, in the model's order, as displayed.
        confusion: every pair that occurred, correct ones included, as displayed, the most
            frequent first.
        calibration_error: expected calibration error of the top labels, 0 to 1.
        seconds: wall clock for all photos, unreadable ones included; None if not measured.
        refused: photos that could not be read; they don't count as wrong.
        left_out: folders whose names match no label.
    """

    model: str
    version: str
    engine: str
    photos: int
    accuracy: Proportion
    answered: Proportion
    top5: Proportion | None
    unknown: Proportion
    labels: tuple[LabelScore, ...]
    confusion: tuple[Confused, ...]
    calibration_error: float
    seconds: float | None = None
    refused: tuple[PhotoFailure, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def photos_per_second(self) -> float | None:
        """Photos per second on all cores, reading and decoding included."""
        if not self.seconds:
            return None
        return (self.photos + len(self.refused)) / self.seconds

    @property
    def mistakes(self) -> tuple[Confused, ...]:
        """The wrong pairs, the most frequent first."""
        return tuple(pair for pair in self.confusion if pair.label != pair.predicted)

    @property
    def worst_first(self) -> tuple[LabelScore, ...]:
        """Labels with photos by recall; of equal ones, the one with most photos first."""
        scored = [score for score in self.labels if score.recall is not None]
        return tuple(
            sorted(scored, key=lambda score: (score.right / score.support, -score.support))
        )

    def to_dict(self) -> dict[str, object]:
        """Return the fields and ``photos_per_second``, ready for JSON."""
        return {**asdict(self), "photos_per_second": self.photos_per_second}


class EvaluationCounter:
    """Counter of rows that keeps two numbers of each, so that any number fits in memory."""

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
        require_single_label(row.prediction.multilabel)
        self._last = row.prediction
        top5 = row.prediction.top(5)
        displayed = None if row.prediction.in_distribution is False else top5[0].label
        self._pairs[row.label, displayed] += 1
        self._in_top5 += row.label in {candidate.label for candidate in top5}
        self._confidence.append(top5[0].probability)
        self._right.append(top5[0].label == row.label)

    def evaluation(
        self,
        refused: Iterable[PhotoFailure] = (),
        seconds: float | None = None,
        left_out: Iterable[str] = (),
    ) -> Evaluation:
        """Return the figures of the rows counted so far.

        Raises:
            DataError: there was no row.
        """
        refused = tuple(refused)
        if self._last is None:
            raise DataError(_nothing_to_measure(refused))
        photos = self._pairs.total()
        answered = sum(self._pairs[label, label] for label in self.labels)
        unknown = sum(self._pairs[label, None] for label in self.labels)
        confusion = tuple(
            Confused(label, predicted, count)
            for (label, predicted), count in self._pairs.most_common()
        )
        return Evaluation(
            model=self._last.model,
            version=self._last.version,
            engine=self._last.engine,
            photos=photos,
            accuracy=Proportion.of(sum(self._right), photos),
            answered=Proportion.of(answered, photos),
            top5=Proportion.of(self._in_top5, photos) if len(self.labels) > 5 else None,
            unknown=Proportion.of(unknown, photos),
            labels=label_scores(confusion, self.labels),
            confusion=confusion,
            calibration_error=expected_calibration_error(
                np.array(self._confidence, np.float64), np.array(self._right, np.bool_)
            ),
            seconds=seconds,
            refused=refused,
            left_out=tuple(left_out),
        )


def label_scores(confusion: Iterable[Confused], labels: Sequence[str]) -> tuple[LabelScore, ...]:
    """Return the scores of the labels that have a photo or an answer.

    Args:
        confusion: every pair that occurred, once.
        labels: all labels of the model, in the order of the result.
    """
    support, right = Counter[str](), Counter[str]()
    predicted = Counter[str | None]()
    for pair in confusion:
        support[pair.label] += pair.count
        predicted[pair.predicted] += pair.count
        right[pair.label] += pair.count * (pair.label == pair.predicted)
    return tuple(
        LabelScore.of(label, support[label], predicted[label], right[label])
        for label in labels
        if support[label] or predicted[label]
    )


def summarise(
    labels: Sequence[str],
    rows: Iterable[Row],
    refused: Iterable[PhotoFailure] = (),
    seconds: float | None = None,
) -> Evaluation:
    """Return the figures for photos that were identified already.

    Args:
        labels: all labels of the model, in its order.
        rows: the predictions, all by the same model.
        refused: photos that could not be read; they don't count as wrong.
        seconds: wall clock for all photos.

    Raises:
        DataError: no rows, a label that the model does not have, or a multi-label model.
    """
    counter = EvaluationCounter(labels)
    for row in rows:
        counter.add(row)
    return counter.evaluation(refused, seconds)


def require_single_label(multilabel: bool) -> None:
    """Refuse a multi-label model: a folder's name is only one of a photo's labels.

    Raises:
        DataError: the model is multi-label.
    """
    if multilabel:
        raise DataError(
            "This model gives each photo several labels, but a folder names only one, so correct "
            "answers would count as wrong. Only single-label models can be evaluated this way."
        )


def _nothing_to_measure(refused: Sequence[PhotoFailure]) -> str:
    if refused:
        return f"None of the {len(refused):,} photos can be read. The first: {refused[0].message}"
    return "There are no photos to measure."
