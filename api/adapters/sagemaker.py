"""Amazon SageMaker: ``GET /ping`` and ``POST /invocations`` (``LOUPE_SAGEMAKER``).

Source of the contract: Amazon SageMaker AI Developer Guide, "Custom Inference Code with
Hosting Services".
"""

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from model.settings import settings

from ..health import ready
from ..line import line
from ..problems import Malformed
from ..v1.identify import identified
from ..v1.inputs import Asked, photo_in, with_fields

__all__ = ["routes"]

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
"""The one header that InvokeEndpoint hands on: there are no parameters in the address."""


async def invocations(request: Request) -> JSONResponse:
    """The answer to a photo, as ``/api/v1/identify`` gives it.

    Parameters come as custom attributes, ``model=clothing&top=3``.
    """
    line().check()
    try:
        given = dict(parse_qsl(request.headers.get(ATTRIBUTES, ""), max_num_fields=20))
    except ValueError:
        raise Malformed("The custom attributes do not read as model=clothing&top=3.") from None
    async with photo_in(request) as sent:
        asked = with_fields(Asked(), {**given, **sent.fields})
        return JSONResponse(await line().run(lambda: identified(sent.data, sent.name, asked)))


def routes() -> list[Route]:
    """The two routes, where the setting asks for them."""
    if not settings().sagemaker:
        return []
    return [Route("/ping", ready), Route("/invocations", invocations, methods=["POST"])]
