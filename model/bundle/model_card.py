"""The model card: what was measured on photos that the model was not trained on.

It is a part of ``bundle.json``. Every figure is out of fold: the temperature, the label
thresholds, the OOD threshold and the choice of a detector were fitted on photos other than
the ones counted. If training chose its epoch by the same photos, the notes and the metrics
say so.
"""

from functools import cached_property
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Annotated[str, Field(max_length=4000)]
Line = Annotated[str, Field(min_length=1, max_length=300)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]

MAX_MISTAKES = 50
"""Most mistakes that a card lists."""

NEAR_CHANCE_AUROC = 0.6


class StrictModel(BaseModel):
    """Frozen data, read and written by its public keys; unknown keys are refused.

    An attribute whose name differs from its key declares it: ``Annotated[…, Field(alias=key)]``.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        protected_namespaces=(),
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )


class ReliabilityBin(StrictModel):
    """Predictions of similar confidence: their mean probability and their accuracy."""

    confidence: Share
    accuracy: Share
    photos: Annotated[int, Field(ge=1)]


class Mistake(StrictModel):
    """A wrong prediction: the photo's path in its folder, two label indices, a probability."""

    photo: Line
    label: Count
    predicted: Annotated[Count, Field(alias="said")]
    probability: Share


class DetectorResult(StrictModel):
    """A compared OOD detector: mean AUROC, OOD accept rate, bytes of its arrays."""

    name: Line
    auroc: Share
    ood_accept_rate: Annotated[Share, Field(alias="let_in")]
    bytes: Count
    selected: Annotated[bool, Field(alias="kept")]


class OodResult(StrictModel):
    """A set of OOD photos: AUROC against ID photos, and the OOD accept rate.

    ``low`` and ``high`` are the 95% interval of the accept rate.
    """

    name: Line
    photos: Annotated[int, Field(ge=1)]
    auroc: Share
    ood_accept_rate: Annotated[Share, Field(alias="let_in")]
    low: Share
    high: Share

    @property
    def near_chance(self) -> bool:
        """True if the detector is hardly better than a coin toss on these photos."""
        return self.auroc < NEAR_CHANCE_AUROC


class ModelCard(StrictModel):
    """Results on held-out photos.

    ``confusion`` holds (true label, predicted label, photos), correct ones included;
    ``reliability_uncalibrated`` is the reliability diagram before temperature scaling.
    """

    on: Line
    photos: Annotated[int, Field(ge=1)]
    folds: Annotated[int, Field(ge=2)]
    confusion: tuple[tuple[Count, Count, Annotated[int, Field(ge=1)]], ...]
    reliability: tuple[ReliabilityBin, ...] = ()
    reliability_uncalibrated: Annotated[tuple[ReliabilityBin, ...], Field(alias="before")] = ()
    mistakes: Annotated[tuple[Mistake, ...], Field(max_length=MAX_MISTAKES)] = ()
    detectors: Annotated[tuple[DetectorResult, ...], Field(alias="scores")] = ()
    ood_sets: Annotated[tuple[OodResult, ...], Field(alias="strangers")] = ()
    command: Text
    seed: int | None = None
    notes: tuple[Line, ...] = ()

    @model_validator(mode="after")
    def _check_total(self) -> Self:
        if (total := sum(count for _, _, count in self.confusion)) != self.photos:
            raise ValueError(f"confusion counts {total} photos of {self.photos}")
        return self

    @cached_property
    def outcomes(self) -> dict[int, tuple[int, int]]:
        """By label index: how many photos were given the label, and how many of them correctly."""
        outcomes: dict[int, tuple[int, int]] = {}
        for truth, predicted, photos in self.confusion:
            count, correct = outcomes.get(predicted, (0, 0))
            outcomes[predicted] = count + photos, correct + photos * (truth == predicted)
        return outcomes

    @property
    def highest_label(self) -> int:
        """The highest label index in the card."""
        indices = [index for truth, predicted, _ in self.confusion for index in (truth, predicted)]
        indices += [i for mistake in self.mistakes for i in (mistake.label, mistake.predicted)]
        return max(indices, default=0)
