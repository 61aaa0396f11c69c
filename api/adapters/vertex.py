"""Google Vertex AI: the two routes that its ``AIP_`` variables name.

Source of the contract: Vertex AI, "Custom container requirements for prediction".
"""

import base64
import binascii
import os
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from model import LoupeError

from ..bodies import PHOTO_BYTES, bounded
from ..health import ready
from ..line import line
from ..problems import Malformed
from ..v1.identify import identified
from ..v1.inputs import Asked

__all__ = ["routes"]

MOST = 100
"""Instances of one request."""


class Base64(BaseModel):
    """Bytes, as Google's own examples write them."""

    b64: str


class Instance(BaseModel):
    """A photo."""

    model_config = ConfigDict(extra="ignore")

    image_bytes: Base64


class Instances(BaseModel):
    """The body of a request; ``parameters`` are those of ``/api/v1/identify``."""

    model_config = ConfigDict(extra="ignore")

    instances: list[Instance] = Field(min_length=1, max_length=MOST)
    parameters: Asked = Field(default_factory=Asked)


async def predict(request: Request) -> JSONResponse:
    """``{"predictions": [...]}`` with an answer, or an ``error``, for each instance."""
    line().check()
    # In base64 four bytes stand for three.
    async with bounded(request, PHOTO_BYTES * 4 // 3) as body:
        asked = Instances.model_validate_json(await body.body())
    predictions = []
    for instance in asked.instances:
        predictions.append(await _answer(instance, asked.parameters))  # noqa: PERF401
    return JSONResponse({"predictions": predictions})


async def _answer(instance: Instance, asked: Asked) -> dict[str, Any]:
    try:
        data = base64.b64decode(instance.image_bytes.b64, validate=True)
        return await line().run(lambda: identified(data, "-", asked))
    except binascii.Error:
        error: LoupeError = Malformed("image_bytes.b64 is not base64.")
    except LoupeError as refused:
        error = refused
    return {"photo": "-", "error": {"code": error.code, "message": str(error)}}


def routes() -> list[Route]:
    """The two routes, where Vertex AI has named them."""
    health, answers = os.environ.get("AIP_HEALTH_ROUTE"), os.environ.get("AIP_PREDICT_ROUTE")
    if not (health and answers):
        return []
    return [Route(health, ready), Route(answers, predict, methods=["POST"])]
