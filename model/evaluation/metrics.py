"""Accuracy with intervals, calibration error, and counts of predictions and true labels."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ..answer.prediction import Prediction
from ..bundle import Metric
from ..errors import DataError, LoupeError

Z95 = 1.959963984540054
RESAMPLES = 1000


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """Return the 95% interval of a proportion, low and high; (0, 1) for a count of 0.

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical
    Inference, 1927.
    """
    if count == 0:
        return 0.0, 1.0
    share, square = right / count, Z95**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    spread = math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    half = Z95 * spread / (1 + square / count)
    # Without the clipping, rounding would leave the proportion itself outside at 0 and 1.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def proportion_metric(name: str, right: int, photos: int, on: str, by: str) -> Metric:
    """Return the manifest's metric for ``right`` of ``photos``, with its 95% interval."""
    return _metric(name, right / photos, *wilson_interval(right, photos), photos, on, by)


def _metric(
    name: str, value: float, low: float, high: float, photos: int, on: str, by: str
) -> Metric:
    figures = {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}
    return Metric.model_validate({"name": name, **figures, "photos": photos, "on": on, "by": by})


def expected_calibration_error(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 15
) -> float:
    """Return the mean gap between confidence and accuracy over equal-width bins, 0 to 1.

    Args:
        confidence: float64 [N], the probability of each answer.
        right: bool [N], whether each answer is correct.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017.
    """
    if not len(confidence):
        return 0.0
    places = np.clip((confidence * bins).astype(int), 0, bins - 1)
    # A bin's gap, weighted by its share of the answers, is the mean of its differences.
    gaps = np.bincount(places, weights=confidence - right)
    return float(np.abs(gaps).sum() / len(confidence))


def calibration_error_metric(
    name: str, confidence: NDArray[np.float64], right: NDArray[np.bool_], on: str, by: str
) -> Metric:
    """Return the manifest's metric for a calibration error, with its 95% bootstrap interval.

    Small samples have a larger calibration error than the model, so the figure may be close to
    the interval's lower limit.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993 (percentiles).
    """
    value = expected_calibration_error(confidence, right)
    random = np.random.default_rng(0)
    errors = []
    for _ in range(RESAMPLES):
        places = random.integers(len(confidence), size=len(confidence))
        errors.append(expected_calibration_error(confidence[places], right[places]))
    low, high = map(float, np.quantile(errors, (0.025, 0.975)))
    return _metric(name, value, min(value, low), max(value, high), len(confidence), on, by)


@dataclass(frozen=True, slots=True)
class Proportion:
    """``right`` of ``count``: ``value`` with its 95% interval, all 0 to 1."""

    value: float
    low: float
    high: float
    right: int
    count: int

    @classmethod
    def of(cls, right: int, count: int) -> "Proportion":
        """Return the proportion with Wilson's interval; ``count`` is at least 1."""
        return cls(right / count, *wilson_interval(right, count), right, count)


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label: ``support`` photos show it, ``predicted`` photos were given it.

    ``recall`` is None if no photo shows it, ``precision`` if no photo was given it, ``f1``
    if both are None. Precision depends on how many photos of the other labels there
    are; recall does not.
    """

    label: str
    support: int
    predicted: int
    right: int
    recall: Proportion | None
    precision: float | None
    f1: float | None

    @classmethod
    def of(cls, label: str, support: int, predicted: int, right: int) -> "LabelScore":
        """Return the scores for these counts."""
        return cls(
            label,
            support,
            predicted,
            right,
            recall=Proportion.of(right, support) if support else None,
            precision=right / predicted if predicted else None,
            f1=2 * right / (support + predicted) if support + predicted else None,
        )


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
        return (self.photos + len(self.refused)) / self.seconds if self.seconds else None

    @property
    def mistakes(self) -> tuple[Confused, ...]:
        """The wrong pairs, the most frequent first."""
        return tuple(pair for pair in self.confusion if pair.label != pair.predicted)

    @property
    def worst_first(self) -> tuple[LabelScore, ...]:
        """Labels with photos by recall; of equal ones, the one with most photos first."""
        scored = [score for score in self.labels if score.recall is not None]
        return tuple(sorted(scored, key=lambda item: (item.right / item.support, -item.support)))

    def to_dict(self) -> dict[str, object]:
        """Return the fields and ``photos_per_second``, ready for JSON."""
        return {**asdict(self), "photos_per_second": self.photos_per_second}


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


class Tally:
    """Counts of one model's predictions. Of each it keeps two numbers, so any number fits."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels, self.known = labels, frozenset(labels)
        self.pairs, self.in_top5 = Counter[tuple[str, str | None]](), 0
        self.confidence, self.right = list[float](), list[bool]()
        self.refused = list[PhotoFailure]()
        self.prediction: Prediction | None = None

    def add(self, result: Row | PhotoFailure) -> None:
        """Count a prediction, or a photo that could not be read; see ``summarise``."""
        if isinstance(result, PhotoFailure):
            self.refused.append(result)
            return
        label, prediction = result.label, result.prediction
        if label not in self.known:
            raise DataError(f"{result.photo} has a label that the model lacks: {label!r}.")
        require_single_label(prediction.multilabel)
        top5 = prediction.top(5)
        self.pairs[label, None if prediction.in_distribution is False else top5[0].label] += 1
        self.in_top5 += label in {candidate.label for candidate in top5}
        self.confidence.append(top5[0].probability)
        self.right.append(top5[0].label == label)
        self.prediction = prediction

    def summarise(self) -> Evaluation:
        """Return the figures; see the function ``summarise``."""
        if self.prediction is None:
            if refused := self.refused:
                first = refused[0].message
                raise DataError(
                    f"None of the {len(refused):,} photos can be read. The first: {first}"
                )
            raise DataError("There are no photos to measure.")
        labels, pairs, photos = self.labels, self.pairs, len(self.right)
        confusion = tuple(Confused(*pair, count) for pair, count in pairs.most_common())
        confidence, right = np.array(self.confidence), np.array(self.right)
        return Evaluation(
            model=self.prediction.model,
            version=self.prediction.version,
            engine=self.prediction.engine,
            photos=photos,
            accuracy=Proportion.of(sum(self.right), photos),
            answered=Proportion.of(sum(pairs[label, label] for label in labels), photos),
            top5=Proportion.of(self.in_top5, photos) if len(labels) > 5 else None,
            unknown=Proportion.of(sum(pairs[label, None] for label in labels), photos),
            labels=label_scores(confusion, labels),
            confusion=confusion,
            calibration_error=expected_calibration_error(confidence, right),
            refused=tuple(self.refused),
        )


def summarise(labels: Sequence[str], results: Iterable[Row | PhotoFailure]) -> Evaluation:
    """Return the figures for identified photos.

    Args:
        labels: all labels of the model, in its order.
        results: the predictions, all by the same model, and photos that could not be read.

    Raises:
        DataError: no rows, a label that the model does not have, or a multi-label model.
    """
    tally = Tally(labels)
    for result in results:
        tally.add(result)
    return tally.summarise()


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
