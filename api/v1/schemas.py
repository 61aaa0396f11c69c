"""The JSON that the API answers with: the command line's, described for OpenAPI."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from ..problems import Problem

__all__ = [
    "Answer",
    "Batch",
    "Corrections",
    "Model",
    "ModelFile",
    "ModelLine",
    "Models",
    "problems",
]


class Candidate(BaseModel):
    """A label with its probability."""

    label: str
    probability: float = Field(ge=0, le=1)


class Milliseconds(BaseModel):
    """Where the time went, in ms."""

    decode: float
    preprocess: float
    engine: float
    total: float


class Explanation(BaseModel):
    """Which parts of the photo the first label rests on."""

    label: str
    heat: list[list[float]] = Field(
        description="16 rows of 16 numbers from the top left, 0 (matters least) to 1, over the "
        "part of the photo that the model looks at."
    )
    picture: str = Field(description="That part as a JPEG, what matters bright: a data: URL.")


class Answer(BaseModel):
    """What a model says of a photo."""

    photo: str = Field(description="The file's name as sent; - where it came without one.")
    model: str
    version: str = Field(description="Hash of the model's content.")
    engine: Literal["compiled", "learner"]
    answer: str | list[str] | None = Field(
        description="The first label; null for none of these; a list for several labels a photo."
    )
    candidates: list[Candidate] = Field(description="The most probable labels, best first.")
    known: bool | None = Field(description="false: none of these; null: the model cannot tell.")
    novelty: float | None = Field(description="Higher is stranger.")
    plausible: list[str] | None = Field(
        description="Labels of which one is right as often as the model's card says."
    )
    milliseconds: Milliseconds | None
    explanation: Explanation | None = Field(default=None, description="Only where asked for.")


class Fault(BaseModel):
    """Why a photo was refused."""

    code: str
    message: str


class Refused(BaseModel):
    """A photo of a batch that was refused."""

    photo: str
    error: Fault


class Batch(BaseModel):
    """Answers in the order of the photos."""

    answers: list[Answer | Refused]


class ModelLine(BaseModel):
    """A model in the list."""

    name: str
    title: str
    description: str
    version: str
    labels: int = Field(description="How many.")
    engines: list[str] = Field(description="Those that are installed here.")
    calibrated: bool
    default: bool = Field(description="Whether it answers where none is named.")


class Models(BaseModel):
    """The models that can be used here."""

    models: list[ModelLine]


class ModelFile(BaseModel):
    """A file of a model; ``url`` is null where this server hands out none."""

    url: str | None
    bytes: int
    sha256: str


class Model(BaseModel):
    """What ``bundle.json`` says, with the version and where the files are."""

    version: str
    engines: list[str]
    default: bool
    files: dict[str, ModelFile]
    manifest: dict[str, Any] = Field(description="bundle.json without its list of files.")


class Corrections(BaseModel):
    """A correction that was kept."""

    id: int
    model: str
    version: str
    predicted: str | None = Field(description="What the model says; null for none of these.")
    label: str
    known: bool = Field(description="Whether the model has that label.")
    kept: bool = Field(description="Whether the photo was kept.")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, as OpenAPI describes them."""
    said = {
        400: "The body or the request cannot be read",
        403: "A page of another site asks, and is not allowed to",
        404: "No such model",
        408: "The body came too slowly",
        413: "Too many bytes or pixels",
        416: "It has no such range",
        415: "Not a kind of photo that is read",
        422: "Damaged, or a parameter is not usable",
        503: "Busy or stopping: Retry-After says when to ask again",
    }
    content = {"application/problem+json": {"schema": Problem.model_json_schema()}}
    return {status: {"description": said[status], "content": content} for status in statuses}
