"""The HTTP API, version 1: FastAPI over ``model``, with an OpenAPI page.

To add a route: a module here with a ``router``, and a line in ``ROUTERS``.
"""

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware

from model.settings import settings

from ..middleware import GUARDS  # before the modules below: it registers the converter "segment"
from ..problems import ERROR_HANDLERS
from ..sites import CsrfMiddleware
from . import answers, corrections, identify, models

__all__ = ["application"]

ROUTERS = (identify.router, models.router, answers.router, corrections.router)

DESCRIPTION = """
Send a photo, get ranked labels: the same result as on the page and the command line.

Errors are problems (RFC 9457) with a stable `code`. With 503, `Retry-After` says when to try again.
"""


def application() -> FastAPI:
    """Return the application to mount at ``/api/v1``, configured by the settings."""
    app: FastAPI = FastAPIOffline(
        title="Loupe",
        version="1",
        description=DESCRIPTION,
        docs_url="/docs",
        redoc_url=None,
        static_url="/docs-files",
        # A redirect would name the scheme and host of this server, not those of its proxy.
        redirect_slashes=False,
        exception_handlers=ERROR_HANDLERS,
        middleware=[*GUARDS, *_cors(), Middleware(CsrfMiddleware)],
    )
    for route in app.routes:
        # FastAPI's routes, unlike Starlette's, take no HEAD; these are not in the OpenAPI document.
        if isinstance(route, APIRoute) and route.methods:
            route.methods.add("HEAD")
    for router in ROUTERS:
        app.include_router(router)
    return app


def _cors() -> list[Middleware]:
    if not settings().origins:
        return []
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings().origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Content-Type", "Accept", "If-None-Match"],
        expose_headers=["Retry-After", "ETag"],
    )
    return [cors]
