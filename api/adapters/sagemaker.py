"""Amazon SageMaker: ``GET /ping`` and ``POST /invocations`` (``LOUPE_SAGEMAKER``).

Source of the contract: Amazon SageMaker AI Developer Guide, "Custom Inference Code with
Hosting Services", and "... with Batch Transform" for ``GET /execution-parameters``.
"""

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from model.admission import admission_queue
from model.photo import MAX_BYTES
from model.settings import settings

from ..lifecycle import ready
from ..problems import Malformed
from ..v1.identify import identify_request
from ..v1.params import IdentifyParams

ATTRIBUTES_HEADER = "x-amzn-sagemaker-custom-attributes"
"""The only header that InvokeEndpoint forwards; there are no query parameters."""

MAX_TRANSFORM_MB = 100
"""Limit for the payloads of concurrent transforms together, in MB, by SageMaker's contract."""


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


def routes() -> list[Route]:
    """Return the routes if the setting is on."""
    if not settings().sagemaker:
        return []
    return [
        Route("/ping", ready),
        Route("/invocations", invocations, methods=["POST"]),
        Route("/execution-parameters", execution_parameters),
    ]
