"""A model's card: what was found out about it on photos that it did not learn from.

It stands in ``bundle.json``. All figures are out of fold: what calibration fits
(temperature, floors, threshold, the choice of a score) was fitted on other photos than
those counted. Where training chose its epoch by the same photos, the notes and the
metrics say so.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["DetectorResult", "LabelOutcome", "Mistake", "ModelCard", "OodResult", "ReliabilityBin"]

Text = Annotated[str, Field(max_length=4000)]
Line = Annotated[str, Field(min_length=1, max_length=300)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
MOST_MISTAKES = 50
GUESSING = 0.6


class StrictModel(BaseModel):
    """Frozen, and strict about what it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )


class ReliabilityBin(StrictModel):
    """Answers of about one probability: their mean probability, and how many were right."""

    confidence: Share
    accuracy: Share
    photos: Annotated[int, Field(ge=1)]


class Mistake(StrictModel):
    """A wrong answer: the photo's name in its folder, indices of labels, probability."""

    photo: Line
    label: Count
    said: Count
    probability: Share


class DetectorResult(StrictModel):
    """A way to tell strangers that was compared: mean AUROC, and its numbers' bytes."""

    name: Line
    auroc: Share
    let_in: Share
    bytes: Count
    kept: bool


class OodResult(StrictModel):
    """Photos of none of the labels: AUROC against known photos, and the share let in.

    ``low`` and ``high`` are the 95 % interval of ``let_in``.
    """

    name: Line
    photos: Annotated[int, Field(ge=1)]
    auroc: Share
    let_in: Share
    low: Share
    high: Share

    @property
    def guessed(self) -> bool:
        """Whether it is hardly told better than by a coin toss."""
        return self.auroc < GUESSING


@dataclass(frozen=True, slots=True)
class LabelOutcome:
    """Photos that were given one label: ``count``, of them ``right``.

    ``other`` is the label they most often truly had instead, with how many.
    """

    right: int
    count: int
    other: tuple[int, int] | None


class ModelCard(StrictModel):
    """How a model did on held-out photos.

    ``confusion`` holds (label, label said, photos), right answers too;
    ``before`` is the reliability without a temperature; ``scores`` are the
    ways to tell strangers that were compared.
    """

    on: Line
    photos: Annotated[int, Field(ge=1)]
    folds: Annotated[int, Field(ge=2)]
    confusion: tuple[tuple[Count, Count, Annotated[int, Field(ge=1)]], ...]
    reliability: tuple[ReliabilityBin, ...] = ()
    before: tuple[ReliabilityBin, ...] = ()
    mistakes: Annotated[tuple[Mistake, ...], Field(max_length=MOST_MISTAKES)] = ()
    scores: tuple[DetectorResult, ...] = ()
    strangers: tuple[OodResult, ...] = ()
    command: Text
    seed: int | None = None
    notes: tuple[Line, ...] = ()

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if (counted := sum(count for _, _, count in self.confusion)) != self.photos:
            raise ValueError(f"confusion counts {counted} photos of {self.photos}")
        return self

    def said(self, label: int) -> LabelOutcome | None:
        """Of the photos that were given this label: how many rightly; None if none was."""
        truths = Counter({truth: count for truth, said, count in self.confusion if said == label})
        if not truths:
            return None
        others = [pair for pair in truths.most_common() if pair[0] != label]
        return LabelOutcome(truths[label], truths.total(), others[0] if others else None)

    @property
    def highest(self) -> int:
        """The highest index of a label that it speaks of."""
        indices = [index for truth, said, _ in self.confusion for index in (truth, said)]
        indices += [index for one in self.mistakes for index in (one.label, one.said)]
        return max(indices, default=0)
