"""Google Vertex AI: the two routes that its ``AIP_`` variables name.

Source of the contract: Vertex AI, "Custom container requirements for prediction".
"""

import base64
import os
from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from model import LoupeError, load

from ..body_limits import PHOTO_BYTES, limited_body, read_body
from ..dispatcher import dispatcher
from ..lifecycle import ready
from ..problems import Malformed
from ..v1.identify import identify_photo
from ..v1.params import IdentifyParams, Upload

MAX_INSTANCES = 100
"""Maximum number of photos in one request."""


class Instance(BaseModel):
    """A photo: ``{"image_bytes": {"b64": …}}``, or ``{"b64": …}`` as batch prediction sends it."""

    b64: str = Field(validation_alias=AliasChoices("b64", AliasPath("image_bytes", "b64")))


class PredictRequest(BaseModel):
    """The body of a request; ``parameters`` are those of ``/api/v1/identify``."""

    instances: list[Instance] = Field(min_length=1, max_length=MAX_INSTANCES)
    parameters: dict[str, Any] | None = None


async def predict(request: Request) -> JSONResponse:
    """Respond with ``{"predictions": [...]}``: a prediction or an ``error`` for each instance."""
    dispatcher().check()
    # Base64 takes four bytes for three, and is held twice: as received and as text.
    async with limited_body(request, PHOTO_BYTES * 4 // 3, weight=2) as body:
        parsed = PredictRequest.model_validate_json(await read_body(body))
        params = IdentifyParams.from_known(parsed.parameters or {})
        # A missing model is an error of the request, not of each photo.
        await run_in_threadpool(load, params.model)
        predictions = [await _predict(photo, params, request) for photo in parsed.instances]
        return JSONResponse({"predictions": predictions})


async def _predict(instance: Instance, params: IdentifyParams, request: Request) -> dict[str, Any]:
    try:
        upload = Upload(_decode_base64(instance.b64))
        return await dispatcher().run(
            lambda: identify_photo(upload, params), request.is_disconnected
        )
    except LoupeError as error:
        return {"photo": "-", "error": {"code": error.code, "message": str(error)}}


def _decode_base64(text: str) -> bytes:
    """Decode base64 in either alphabet, with or without line breaks and padding."""
    try:
        joined = "".join(text.split()).translate({ord("-"): "+", ord("_"): "/"})
        return base64.b64decode(joined + "=" * (-len(joined) % 4), validate=True)
    except ValueError:
        raise Malformed("b64 is not valid base64.") from None


def routes() -> list[Route]:
    """Return the two routes if Vertex AI has named them."""
    health, prediction = os.environ.get("AIP_HEALTH_ROUTE"), os.environ.get("AIP_PREDICT_ROUTE")
    if not (health and prediction):
        return []
    return [Route(health, ready), Route(prediction, predict, methods=["POST"])]
