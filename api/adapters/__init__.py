"""Routes that follow other platforms' contracts.

To add one: a module with ``routes()``, which returns no route on other platforms, and its name
in ``ADAPTERS``.
"""

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from ..middleware import SlowClientMiddleware, TelemetryMiddleware
from ..problems import add_error_handlers
from . import sagemaker, vertex

__all__ = ["adapters"]

ADAPTERS = (sagemaker, vertex)


def adapters() -> list[BaseRoute]:
    """Return the routes of the platforms that this process runs on."""
    mounted: list[BaseRoute] = []
    for adapter in ADAPTERS:
        for route in adapter.routes():
            # An application for each, so that errors are problems and requests are counted.
            app = Starlette(routes=[route])
            add_error_handlers(app)
            app.add_middleware(TelemetryMiddleware)
            app.add_middleware(SlowClientMiddleware)
            mounted.append(Route(route.path, app, name=route.path))
    return mounted
