"""All HTTP routes besides the pages."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route

from model.settings import settings

from .adapters import adapter_routes
from .device import device_routes
from .lifecycle import lifespan, live, ready
from .middleware import guarded_app
from .page_turns import issue_token
from .sites import CsrfMiddleware
from .telemetry import exposition
from .v1 import application

ROOTS = ("/api/", "/device/", "/owner/")
"""Below these, every path is one of ours."""

OPTIONAL_PATHS = ("/metrics", "/ping", "/invocations", "/execution-parameters")
"""Paths that platforms poll. Where they are switched off, they must return 404: Streamlit would
serve its page there, which reads as success."""


def build_application() -> Starlette:
    """Return the application without the pages, as on Ray Serve."""
    # Its type is Streamlit's, which is wider.
    return Starlette(routes=routes(), lifespan=lifespan)  # type: ignore[arg-type]


def routes() -> list[BaseRoute]:
    """Return the routes of this process, by its settings.

    ``BasePathMiddleware`` serves them below Streamlit's base path as well, for what comes through
    a proxy; hosts check their health at the root.
    """
    metrics = [Route(settings().metrics, exposition)] if settings().metrics else []
    missing = [*OPTIONAL_PATHS, *(f"{root}{{path:rest}}" for root in ROOTS)]
    missing += [root.rstrip("/") for root in ROOTS]
    not_found = guarded_app([])
    session = [Route("/", issue_token, methods=["POST"])]
    # Matched first, because the owner or a platform chooses these paths.
    return [
        *metrics,
        # An application for each, so that errors are problems and requests are counted.
        *(Route(route.path, guarded_app([route])) for route in adapter_routes()),
        Route("/api/live", live),
        Route("/api/ready", ready),
        Mount("/api/v1", app=application()),
        Mount("/api/session", guarded_app(session, Middleware(CsrfMiddleware))),
        *device_routes(),
        # Streamlit would answer with a page.
        *(Route(path, not_found) for path in missing),
    ]
