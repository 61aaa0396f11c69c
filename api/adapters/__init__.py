"""Routes that follow other platforms' contracts.

To add one: a module with ``routes()``, which returns no route on other platforms, and its name
in ``ADAPTERS``.
"""

from starlette.routing import BaseRoute, Route

from ..middleware import guarded
from . import sagemaker, vertex

__all__ = ["adapters"]

ADAPTERS = (sagemaker, vertex)


def adapters() -> list[BaseRoute]:
    """Return the routes of the platforms that this process runs on."""
    # An application for each, so that errors are problems and requests are counted.
    return [
        Route(route.path, guarded([route]), name=route.path)
        for adapter in ADAPTERS
        for route in adapter.routes()
    ]
