"""``bundle.json``, the manifest: a bundle's description, validated field by field."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from ..engine_info import ENGINES, ServerEngine
from ..preprocess import PreprocessConfig
from .model_card import ModelCard, StrictModel

FORMAT: Final = 2
"""The format that this Loupe writes. It reads this one and all older ones.

Format 2 added the card, the name of the OOD detector, custom networks and full-size decoding.
"""

SMALL_CARD = "small.json"
"""File beside a bundle with the figures of its small graph; see ``small_card``."""

MAX_SAMPLES = 5
SAMPLE_LIST = "samples.json"
SAMPLE_PHOTOS = tuple(f"sample-{number}.jpg" for number in range(1, MAX_SAMPLES + 1))
"""Files beside a bundle with photos to try it with; see ``bundle_samples``."""

BESIDE = (SMALL_CARD, *SAMPLE_PHOTOS, SAMPLE_LIST)
"""Files beside a bundle that its manifest doesn't list, in the order in which they are copied."""

Text = Annotated[str, Field(max_length=4000)]
Line = Annotated[str, Field(min_length=1, max_length=200)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
NAME_RULE = (
    "A model's name has up to 64 lower-case letters, digits, - and _, and starts with a letter "
    "or digit, for example my-flowers."
)
FileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*(\.[a-z0-9]+){1,2}$", max_length=64)]
Share = Annotated[float, Field(ge=0, le=1)]
Threshold = Annotated[float, Field(gt=0, lt=1)]

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
"""Limits within which a temperature is fitted."""

TAUGHT_ON = "taught on"
"""Key of a few-shot head's base in its bundle's provenance."""

PRESENT_FROM = 0.5
"""Default threshold: the lowest probability that puts a multi-label model's label in the answer."""


def title_from_name(name: str) -> str:
    """Return a title for a model that was given none: its name as words."""
    return name.replace("-", " ").replace("_", " ").strip().capitalize() or name


class Architecture(StrictModel):
    """The network by name: enough to rebuild the learner around its weights.

    A *linear* head is pooling and one layer, like the body's own classifier; *fastai* is
    ``vision_learner``'s head; *native* is the whole network as its library builds it. A *custom*
    network cannot be rebuilt by name: only its graph exists, and ``body`` is the name of its
    class.
    """

    library: Literal["timm", "torchvision", "fastai", "custom"]
    body: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$", max_length=100)]
    head: Literal["linear", "fastai", "native", "custom"]
    features: Annotated[int, Field(ge=1, le=100_000)]
    parameters: Annotated[int, Field(ge=1)]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Data(StrictModel):
    """The photos that the model was trained on."""

    title: Line
    source: Text
    licence: Line
    photos: Annotated[int, Field(ge=0)] | None = None


class Metric(StrictModel):
    """A figure with its 95% interval and the photos it was measured on.

    ``photos`` is how many there were. ``unit`` says if they were recordings, as of a few-shot head;
    it is None for photos, so that most bundles don't contain it.
    Older bundles have no interval of calibration errors: both ends are the figure itself.
    ``shown`` is the share of photos whose answer on screen is right: the top label is, and the
    photo is not called "none of these". Only small cards have it, since earlier versions of Loupe
    refuse manifests with metrics that they don't know.
    """

    name: Literal[
        "accuracy",
        "top5",
        "calibration_error",
        "calibration_error_before",
        "coverage",
        "kept",
        "shown",
    ]
    value: Share
    low: Share
    high: Share
    photos: Annotated[int, Field(ge=1)]
    unit: Literal["recordings"] | None = None
    on: Line
    by: Line

    @property
    def successes(self) -> int:
        """How many of the photos the figure, a proportion, counts."""
        return round(self.value * self.photos)

    @property
    def counted(self) -> str:
        """The number and unit of what was counted: '341 photos', '12 recordings'."""
        return f"{self.photos:,} {self.unit or 'photos'}"

    @property
    def is_published(self) -> bool:
        """True if the model's authors measured it, not Loupe."""
        return self.by.startswith("published")


class PredictionSetRule(StrictModel):
    """Rule for split-conformal prediction sets.

    A set holds the labels that reach their threshold, the top label, and every label likelier
    than one of these. ``label_thresholds`` has one per label, in the order of the labels.
    """

    coverage: Share
    label_thresholds: Annotated[tuple[Share, ...], Field(alias="floors", min_length=1)]


class Calibration(StrictModel):
    """Everything calibration fitted; a model without it can only give its best guess.

    ``ood_threshold`` is the OOD score above which a photo is out of distribution;
    ``ood_detector`` names how the graph computes that score. ``target_id_accept_rate`` is the share
    of ID photos that the threshold of a few-shot head is meant to keep; None if there were too few
    recordings to tell, and for other models, whose share is measured. ``estimated`` says how the
    temperature was estimated where no photos are known to be new to the model; None if it was
    measured on held-out photos.
    """

    temperature: Annotated[float, Field(gt=0)]
    prediction_set: Annotated[PredictionSetRule | None, Field(alias="plausible")] = None
    ood_threshold: Annotated[float | None, Field(alias="novelty")] = None
    ood_detector: Annotated[Line | None, Field(alias="score")] = None
    target_id_accept_rate: Threshold | None = None
    estimated: Annotated[str | None, Field(min_length=1, max_length=1000)] = None

    @model_validator(mode="after")
    def _check_estimated(self) -> Self:
        if self.estimated and (self.prediction_set or self.ood_threshold is not None):
            raise ValueError("estimated: thresholds need held-out photos")
        return self


class File(StrictModel):
    """Size and SHA-256 of one file beside ``bundle.json``."""

    bytes: Annotated[int, Field(ge=0, le=2**31)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ManifestDraft(StrictModel):
    """A manifest before its files exist: everything except ``files``.

    ``threshold`` is the lowest probability that makes a multi-label model's label part of the
    answer; None means the usual one, so that it's absent from most bundles.
    """

    format: Literal[1, 2] = FORMAT
    name: Name
    title: Line
    description: Text
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] = "en"
    labels: Annotated[tuple[Line, ...], Field(min_length=1, max_length=100_000)]
    multilabel: bool = False
    threshold: Threshold | None = None
    recipe: PreprocessConfig
    architecture: Architecture
    engines: Annotated[tuple[ServerEngine, ...], Field(min_length=1)]
    licence: Line
    data: Data
    metrics: tuple[Metric, ...] = ()
    calibration: Annotated[Calibration | None, Field(alias="confidence")] = None
    card: ModelCard | None = None
    provenance: Annotated[dict[Line, Line], Field(alias="made")]

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels: two are equal")
        if self.threshold is not None and not self.multilabel:
            raise ValueError("threshold: only multi-label models have one")
        if self.architecture.library == "custom":
            for engine in self.engines:
                if ENGINES[engine].rebuilds_network:
                    raise ValueError(f"engines: a custom network cannot be rebuilt as a {engine}")
        rule = self.calibration and self.calibration.prediction_set
        if rule and len(rule.label_thresholds) != len(self.labels):
            raise ValueError("confidence: floors must have one value per label")
        if self.card and self.card.highest_label >= len(self.labels):
            raise ValueError("card: a label index is out of range")
        return self

    @property
    def is_calibrated(self) -> bool:
        """True if its calibration was measured on held-out photos."""
        return self.calibration is not None and not self.is_estimated

    @property
    def is_estimated(self) -> bool:
        """True if its temperature is only estimated, without thresholds."""
        return self.calibration is not None and bool(self.calibration.estimated)

    @property
    def is_taught(self) -> bool:
        """True for a few-shot head that nobody has calibrated on other photos."""
        return TAUGHT_ON in self.provenance and self.card is None

    @property
    def is_untested(self) -> bool:
        """True for a few-shot head whose recordings left nothing to test on."""
        return self.is_taught and self.metric("accuracy") is None

    @property
    def present_from(self) -> float:
        """The threshold, by default ``PRESENT_FROM``."""
        return PRESENT_FROM if self.threshold is None else self.threshold

    def metric(self, name: str) -> Metric | None:
        """Return the first metric of that name, or None."""
        return next((metric for metric in self.metrics if metric.name == name), None)


class Manifest(ManifestDraft):
    """All of ``bundle.json``."""

    format: Literal[1, 2]
    files: dict[FileName, File]

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        needed = {"golden.npz", *(ENGINES[engine].needs for engine in self.engines)}
        if missing := needed - self.files.keys():
            raise ValueError(f"files: {', '.join(sorted(missing))} not listed")
        if listed := self.files.keys() & set(BESIDE):
            raise ValueError(f"files: {min(listed)} is no part of a bundle")
        return self

    def to_draft(self) -> ManifestDraft:
        """Return the manifest without its files, as the start of the next version."""
        values = self.model_dump(mode="json", exclude={"files", "format"})
        return ManifestDraft.model_validate(values)
