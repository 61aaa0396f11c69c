"""The HTTP API, version 1: FastAPI over ``model``, described by its own OpenAPI page.

To add a route: a module here with a ``router``, and a line in ``ROUTERS``.
"""

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from model.settings import settings

from ..csrf import CsrfMiddleware
from ..problems import handle
from ..telemetry import TelemetryMiddleware
from ..timeouts import SlowClientMiddleware
from . import corrections, identify, models

__all__ = ["application"]

ROUTERS = (identify.router, models.router, corrections.router)

ABOUT = """
Send a photo, get a ranked, honest answer: the same that the screen and the command line give.

Refusals are problems (RFC 9457) with a stable `code`. 503 says by `Retry-After` when to ask again.
"""


def application() -> FastAPI:
    """The application that stands at ``/api/v1``; reads the settings."""
    app: FastAPI = FastAPIOffline(
        title="Loupe",
        version="1",
        description=ABOUT,
        docs_url="/docs",
        redoc_url=None,
        static_url="/docs-files",
        # A redirect would name http and the host as the proxy in front sees them.
        redirect_slashes=False,
    )
    for router in ROUTERS:
        app.include_router(router)
    handle(app)
    app.add_middleware(CsrfMiddleware)
    # The last one added is the first to see a request.
    if settings().origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings().origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type", "Accept", "If-None-Match", "Range"],
            expose_headers=["Retry-After", "ETag", "Content-Range"],
        )
    app.add_middleware(TelemetryMiddleware)
    app.add_middleware(SlowClientMiddleware)
    return app
