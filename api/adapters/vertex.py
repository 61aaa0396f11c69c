"""Google Vertex AI: the two routes that its ``AIP_`` variables name.

Source of the contract: Vertex AI, "Custom container requirements for prediction".
"""

import base64
import os
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from model import LoupeError, load

from ..body_limits import PHOTO_BYTES, limited_body
from ..dispatcher import dispatcher
from ..health import ready
from ..problems import Malformed
from ..v1.identify import identified
from ..v1.params import IdentifyParams

__all__ = ["routes"]

MOST = 100
"""Instances of one request."""


class Base64(BaseModel):
    """Bytes, as Google's own examples write them."""

    b64: str


class Instance(BaseModel):
    """A photo: ``{"image_bytes": {"b64": …}}``, or ``{"b64": …}`` as batch prediction sends it."""

    model_config = ConfigDict(extra="ignore")

    image_bytes: Base64

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, given: Any) -> Any:
        return {"image_bytes": given} if isinstance(given, dict) and "b64" in given else given


class Instances(BaseModel):
    """The body of a request; ``parameters`` are those of ``/api/v1/identify``."""

    model_config = ConfigDict(extra="ignore")

    instances: list[Instance] = Field(min_length=1, max_length=MOST)
    parameters: IdentifyParams | None = None


async def predict(request: Request) -> JSONResponse:
    """``{"predictions": [...]}`` with an answer, or an ``error``, for each instance."""
    dispatcher().check()
    # In base64 four bytes stand for three; it lies there as it came, as text and decoded.
    async with limited_body(request, PHOTO_BYTES * 4 // 3, weight=2) as body:
        # Not body(), which would keep a copy for as long as the request lives.
        asked = Instances.model_validate_json(b"".join([part async for part in body.stream()]))
        options = asked.parameters or IdentifyParams()
        # One that is not there is no fault of a photo.
        await run_in_threadpool(load, options.model)
        predictions = [await _answer(one, options, request) for one in asked.instances]
        return JSONResponse({"predictions": predictions})


async def _answer(instance: Instance, asked: IdentifyParams, request: Request) -> dict[str, Any]:
    try:
        data = _decoded(instance.image_bytes.b64)
        return await dispatcher().run(lambda: identified(data, "-", asked), request.is_disconnected)
    except LoupeError as error:
        return {"photo": "-", "error": {"code": error.code, "message": str(error)}}


def _decoded(text: str) -> bytes:
    """Base64 in either alphabet, in lines or in one."""
    try:
        whole = "".join(text.split()).translate({ord("-"): "+", ord("_"): "/"})
        return base64.b64decode(whole + "=" * (-len(whole) % 4), validate=True)
    except ValueError:
        raise Malformed("image_bytes.b64 is not base64.") from None


def routes() -> list[Route]:
    """The two routes, where Vertex AI has named them."""
    health, answers = os.environ.get("AIP_HEALTH_ROUTE"), os.environ.get("AIP_PREDICT_ROUTE")
    if not (health and answers):
        return []
    return [Route(health, ready), Route(answers, predict, methods=["POST"])]
