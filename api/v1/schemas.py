"""The JSON of the API's responses, described for OpenAPI."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field

from model.answer.prediction import Milliseconds
from model.engine_info import ServerEngine

from ..problems import Problem


class Candidate(BaseModel):
    """A label with its probability."""

    label: str
    probability: float = Field(ge=0, le=1)


class Explanation(BaseModel):
    """An occlusion map: how much each region of the photo matters for the top label."""

    label: str
    heat: list[list[float]] = Field(
        description="16 rows of 16 numbers from the top left, 0 (matters least) to 1, over the "
        "part of the photo that the model sees."
    )
    picture: str = Field(
        description="That part as a JPEG data: URL; regions that matter are bright."
    )


class IdentifyResponse(BaseModel):
    """The prediction for a photo."""

    photo: str = Field(description="The file name as sent, or - without one.")
    model: str
    version: str = Field(description="The model's version, a hash of its content.")
    engine: ServerEngine
    answer: str | list[str] | None = Field(
        description="The top label; null for none of these; a list for models with several "
        "labels per photo."
    )
    candidates: list[Candidate] = Field(
        description="The most probable labels, most probable first."
    )
    known: bool | None = Field(
        description="false: none of these (out of distribution); null: the model cannot tell."
    )
    novelty: float | None = Field(
        description="OOD score: higher means less like the photos the model knows."
    )
    plausible: list[str] | None = Field(
        description="Prediction set: contains the right label as often as the model card states."
    )
    milliseconds: Milliseconds | None
    explanation: Explanation | None = Field(default=None, description="Only with explain.")


class PhotoProblem(BaseModel):
    """The reason why a photo was rejected."""

    code: str
    message: str


class RejectedPhoto(BaseModel):
    """A photo of a batch that was rejected."""

    photo: str
    error: PhotoProblem


class BatchResult(BaseModel):
    """Results in the order of the photos."""

    answers: list[IdentifyResponse | RejectedPhoto]


class ModelSummary(BaseModel):
    """A model in the list."""

    name: str
    title: str
    description: str
    version: str
    labels: int = Field(description="Number of labels.")
    engines: list[str] = Field(description="Engines that are installed on this server.")
    calibrated: bool
    default: bool = Field(description="true for the model used when a request names none.")


class ModelList(BaseModel):
    """The models of this server."""

    models: list[ModelSummary]


class ModelFile(BaseModel):
    """A file of a model; ``url`` is null where downloads are switched off."""

    url: str | None
    bytes: int
    sha256: str


class ModelResponse(BaseModel):
    """A model's manifest, its version and the URLs of its files."""

    version: str
    engines: list[str]
    default: bool
    files: dict[str, ModelFile]
    manifest: dict[str, Any] = Field(description="bundle.json without its list of files.")


class CorrectionResponse(BaseModel):
    """A correction that was saved."""

    id: int = Field(description="The owner can delete the correction by this number.")
    model: str
    version: str
    predicted: str | None = Field(description="The model's top label; null for none of these.")
    label: str
    known: bool = Field(description="true if the model has this label.")
    kept: bool = Field(description="true if the photo was saved.")


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the errors of a route for OpenAPI."""
    content = {"application/problem+json": {"schema": Problem.model_json_schema()}}
    return {
        status: {
            "description": f"{HTTPStatus(status).phrase}: `code` and `detail` say why",
            "content": content,
        }
        for status in statuses
    }
