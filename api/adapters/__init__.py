"""Other platforms' ways to ask a model, over the same answers.

To add one: a module with ``routes()``, which gives none where the platform is not, and its
name here.
"""

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from ..problems import handle
from ..telemetry import TelemetryMiddleware
from ..timeouts import SlowClientMiddleware
from . import sagemaker, vertex

__all__ = ["adapters"]

ADAPTERS = (sagemaker, vertex)


def adapters() -> list[BaseRoute]:
    """The routes of the platforms that this process runs on."""
    found: list[BaseRoute] = []
    for adapter in ADAPTERS:
        for route in adapter.routes():
            # A small application each, so that errors are problems and requests are counted.
            app = Starlette(routes=[route])
            handle(app)
            app.add_middleware(TelemetryMiddleware)
            app.add_middleware(SlowClientMiddleware)
            found.append(Route(route.path, app, name=route.path))
    return found
