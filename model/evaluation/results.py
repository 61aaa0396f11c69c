"""What an evaluation finds: frozen, and ready for JSON."""

from dataclasses import asdict, dataclass

from ..errors import LoupeError
from .statistics import wilson_interval

__all__ = ["Confused", "Evaluation", "LabelScore", "PhotoFailure", "Proportion"]


@dataclass(frozen=True, slots=True)
class Proportion:
    """``right`` of ``count``: ``value`` with its 95 % interval, all 0 to 1."""

    value: float
    low: float
    high: float
    right: int
    count: int

    @classmethod
    def of(cls, right: int, count: int) -> "Proportion":
        """The share with Wilson's interval; ``count`` is at least 1."""
        return cls(right / count, *wilson_interval(right, count), right, count)


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label: ``support`` photos are of it, ``predicted`` were called it.

    ``recall`` is None without a photo of it, ``precision`` when nothing was
    called it, ``f1`` when both are missing. Precision depends on how many photos
    of the other labels there are; recall does not.
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
        """The scores that these counts make."""
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
class Confused:
    """``count`` photos of ``label`` were called ``predicted``; None is "none of these"."""

    label: str
    predicted: str | None
    count: int


@dataclass(frozen=True, slots=True)
class PhotoFailure:
    """A photo that could not be read, and why."""

    photo: str
    code: str
    message: str

    @classmethod
    def of(cls, photo: str, error: LoupeError) -> "PhotoFailure":
        """The refusal that an error stands for."""
        return cls(photo, error.code, str(error))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All figures of one model on one set of photos.

    Attributes:
        photos: answered and measured; refused ones are not among them.
        accuracy: the first label is the right one, as everybody counts it.
        answered: the answer that is shown is right; "none of these" is a wrong one.
        top5: the label is among the first five; None for a model with five labels or
            fewer.
        unknown: answered "none of these".
        labels: those with a photo or an answer, in the model's order, by what is shown.
        confusion: every pair that occurred, right ones too, most frequent first, by what
            is shown.
        calibration_error: expected calibration error of the first labels, 0 to 1.
        seconds: wall clock for all photos, refused ones too; None when not measured.
        left_out: folders whose names fit no label.
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
        """Photos a second on all cores, reading and decoding included."""
        if not self.seconds:
            return None
        return (self.photos + len(self.refused)) / self.seconds

    @property
    def mistakes(self) -> tuple[Confused, ...]:
        """The pairs that are wrong, most frequent first."""
        return tuple(pair for pair in self.confusion if pair.label != pair.predicted)

    @property
    def worst_first(self) -> tuple[LabelScore, ...]:
        """Labels with photos, by recall; of equals the one with most photos first."""
        scored = [score for score in self.labels if score.recall is not None]
        return tuple(
            sorted(scored, key=lambda score: (score.right / score.support, -score.support))
        )

    def to_dict(self) -> dict[str, object]:
        """For JSON: the fields, with ``photos_per_second``."""
        return {**asdict(self), "photos_per_second": self.photos_per_second}
