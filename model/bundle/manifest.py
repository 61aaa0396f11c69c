"""``bundle.json``: what a bundle says of itself, checked field by field."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..preprocess import PreprocessConfig
from .card import ModelCard, StrictModel

__all__ = [
    "FORMAT",
    "NAME_RULE",
    "Architecture",
    "Calibration",
    "Data",
    "File",
    "Manifest",
    "Metric",
    "Name",
    "PredictionSetRule",
]

FORMAT = 2
"""The format that this Loupe writes; it reads this one and all older ones.

2 brought the card, the name of the novelty's score, networks without a name, and photos
decoded in full.
"""

Text = Annotated[str, Field(max_length=4000)]
Line = Annotated[str, Field(min_length=1, max_length=200)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
NAME_RULE = (
    "A model's name is of small letters, digits, - and _, begins with a letter or digit and has 64 "
    "characters at most, such as my-flowers."
)
FileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*(\.[a-z0-9]+){1,2}$", max_length=64)]
Share = Annotated[float, Field(ge=0, le=1)]


class Architecture(StrictModel):
    """The network by name: enough to rebuild the learner around its weights.

    ``head`` *linear* is pooling and one layer, as the body's own classifier;
    *fastai* is ``vision_learner``'s head. A *custom* network cannot be rebuilt by
    name: it has its graph alone, and ``body`` is what its class was called.
    """

    library: Literal["timm", "torchvision", "custom"]
    body: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$", max_length=100)]
    head: Literal["linear", "fastai", "custom"]
    features: Annotated[int, Field(ge=1, le=100_000)]
    parameters: Annotated[int, Field(ge=1)]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Data(StrictModel):
    """What the model was trained on."""

    title: Line
    source: Text
    licence: Line
    photos: Annotated[int, Field(ge=0)] | None = None


class Metric(StrictModel):
    """A figure with its 95 % interval and what it was measured on.

    Calibration errors have no interval: both ends are the figure.
    """

    name: Literal[
        "accuracy", "top5", "calibration_error", "calibration_error_before", "coverage", "kept"
    ]
    value: Share
    low: Share
    high: Share
    photos: Annotated[int, Field(ge=1)]
    on: Line
    by: Line


class PredictionSetRule(StrictModel):
    """Split-conformal set: every label whose probability reaches its floor, the first, and
    all that are likelier than one of these.

    ``floors`` has one for each label, in the labels' order.
    """

    coverage: Share
    floors: Annotated[tuple[Share, ...], Field(min_length=1)]


class Calibration(StrictModel):
    """What calibration found: without it a model answers with a best guess.

    ``novelty`` is the threshold above which a photo is of none of the labels;
    ``score`` names how the graph computes it.
    """

    temperature: Annotated[float, Field(gt=0)]
    plausible: PredictionSetRule | None = None
    novelty: float | None = None
    score: Line | None = None


class File(StrictModel):
    """Bytes and SHA-256 of one file beside ``bundle.json``."""

    bytes: Annotated[int, Field(ge=0, le=2**31)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(StrictModel):
    """The whole of ``bundle.json``."""

    format: Literal[1, 2]
    name: Name
    title: Line
    description: Text
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] = "en"
    labels: Annotated[tuple[Line, ...], Field(min_length=1, max_length=100_000)]
    multilabel: bool = False
    recipe: PreprocessConfig
    architecture: Architecture
    engines: Annotated[tuple[Literal["compiled", "learner"], ...], Field(min_length=1)]
    licence: Line
    data: Data
    metrics: tuple[Metric, ...] = ()
    confidence: Calibration | None = None
    card: ModelCard | None = None
    made: dict[Line, Line]
    files: dict[FileName, File]

    @model_validator(mode="after")
    def _whole(self) -> "Manifest":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("two labels are the same")
        needed = {"golden.npz"}
        needed |= {"graph.onnx"} if "compiled" in self.engines else set()
        needed |= {"weights.safetensors"} if "learner" in self.engines else set()
        if missing := needed - self.files.keys():
            raise ValueError(f"files: {', '.join(sorted(missing))} not listed")
        if "learner" in self.engines and self.architecture.library == "custom":
            raise ValueError("engines: a network without a name cannot be rebuilt as a learner")
        plausible = self.confidence and self.confidence.plausible
        if plausible and len(plausible.floors) != len(self.labels):
            raise ValueError("confidence: there must be one floor a label")
        if self.card and self.card.highest >= len(self.labels):
            raise ValueError("card: it speaks of a label that there is not")
        return self

    def metric(self, name: str) -> Metric | None:
        """The first metric of that name, if the bundle has one."""
        return next((metric for metric in self.metrics if metric.name == name), None)
