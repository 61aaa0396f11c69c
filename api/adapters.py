"""Routes that follow other platforms' contracts, where their settings or variables ask for them.

SageMaker (``LOUPE_SAGEMAKER``): Amazon SageMaker AI Developer Guide, "Custom Inference Code with
Hosting Services", and "... with Batch Transform" for ``GET /execution-parameters``.
Vertex AI (the ``AIP_`` variables name its routes): "Custom container requirements for prediction".
"""

import base64
import os
from typing import Any
from urllib.parse import parse_qsl

from pydantic import AliasChoices, AliasPath, BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from model import LoupeError, load
from model.admission import admission_queue
from model.photo import MAX_BYTES
from model.settings import settings

from .body_limits import PHOTO_BYTES, limited_body, read_body
from .dispatcher import dispatcher
from .lifecycle import ready
from .problems import Malformed
from .v1.identify import identify_photo, identify_request
from .v1.params import IdentifyParams, Upload

ATTRIBUTES_HEADER = "x-amzn-sagemaker-custom-attributes"
"""The only header that InvokeEndpoint forwards; there are no query parameters."""

MAX_TRANSFORM_MB = 100
"""Limit for the payloads of concurrent transforms together, in MB, by SageMaker's contract."""

MAX_INSTANCES = 100
"""Maximum number of photos in one request of Vertex AI."""


def adapter_routes() -> list[Route]:
    """Return the routes of the platforms on which this server runs."""
    routes = []
    if settings().sagemaker:
        routes += [
            Route("/ping", ready),
            Route("/invocations", invocations, methods=["POST"]),
            Route("/execution-parameters", execution_parameters),
        ]
    health, prediction = os.environ.get("AIP_HEALTH_ROUTE"), os.environ.get("AIP_PREDICT_ROUTE")
    if health and prediction:
        routes += [Route(health, ready), Route(prediction, predict, methods=["POST"])]
    return routes


async def invocations(request: Request) -> JSONResponse:
    """Identify a photo as ``/api/v1/identify`` does.

    Parameters come as custom attributes, ``model=clothing&top=3``. Others are ignored:
    callers also put their own identifiers there.
    """
    try:
        text = request.headers.get(ATTRIBUTES_HEADER, "")
        attributes = dict(parse_qsl(text, max_num_fields=20))
    except ValueError:
        raise Malformed(
            "The custom attributes couldn't be parsed. Write them as model=clothing&top=3."
        ) from None
    return await identify_request(request, IdentifyParams.from_known(attributes))


async def execution_parameters(_: Request) -> JSONResponse:
    """Respond with the number and size of photos that a batch transform may send at a time."""
    payload_mb = MAX_BYTES // 2**20
    concurrent = max(1, min(admission_queue().slots, MAX_TRANSFORM_MB // payload_mb))
    return JSONResponse(
        {
            "MaxConcurrentTransforms": concurrent,
            "BatchStrategy": "SINGLE_RECORD",
            "MaxPayloadInMB": payload_mb,
        }
    )


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
