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

from ..health import ready
from ..problems import Malformed
from ..v1.identify import answered
from ..v1.params import IdentifyParams, with_fields

__all__ = ["routes"]

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
"""The one header that InvokeEndpoint hands on: there are no parameters in the address."""


async def invocations(request: Request) -> JSONResponse:
    """The answer to a photo, as ``/api/v1/identify`` gives it.

    Parameters come as custom attributes, ``model=clothing&top=3``.
    """
    try:
        given = dict(parse_qsl(request.headers.get(ATTRIBUTES, ""), max_num_fields=20))
    except ValueError:
        raise Malformed("The custom attributes do not read as model=clothing&top=3.") from None
    return await answered(request, with_fields(IdentifyParams(), given))


async def parameters(_: Request) -> JSONResponse:
    """What a batch transform asks before it begins: photos at once, and how large each may be.

    Their product may be 100 MB at most, as the contract has it.
    """
    megabytes = MAX_BYTES // 2**20
    at_once = max(1, min(admission_queue().slots, 100 // megabytes))
    return JSONResponse(
        {
            "MaxConcurrentTransforms": at_once,
            "BatchStrategy": "SINGLE_RECORD",
            "MaxPayloadInMB": megabytes,
        }
    )


def routes() -> list[Route]:
    """The routes, where the setting asks for them."""
    if not settings().sagemaker:
        return []
    return [
        Route("/ping", ready),
        Route("/invocations", invocations, methods=["POST"]),
        Route("/execution-parameters", parameters),
    ]
