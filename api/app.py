"""All HTTP routes besides the pages."""

from typing import Any

from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, Mount, NoMatchFound, Route
from starlette.types import Receive, Scope, Send

from model.settings import settings

from .adapters import adapters
from .device import device_routes
from .lifecycle import live, ready
from .middleware import SlowClientMiddleware, TelemetryMiddleware
from .problems import NO_ROUTE, problem
from .session import session_routes
from .telemetry import exposition
from .v1 import application

__all__ = ["ROOTS", "routes"]

ROOTS = ("/api/", "/device/", "/_stcore/metrics/")
"""Below these, every path is one of ours. Streamlit would tell anyone how many visitors there are;
``LOUPE_METRICS`` is for the owner."""

OPTIONAL_PATHS = ("/metrics", "/ping", "/invocations", "/execution-parameters")
"""Paths that platforms poll. Where they are switched off, they must return 404: Streamlit would
serve its page there, which reads as success."""


def routes() -> list[BaseRoute]:
    """Return the routes of this process, by its settings.

    ``BasePathMiddleware`` serves them below Streamlit's base path as well, for what comes through
    a proxy; hosts check their health at the root.
    """
    metrics = [Route(settings().metrics, exposition)] if settings().metrics else []
    # Matched first, because the owner or a platform chooses these paths.
    return [
        *metrics,
        *adapters(),
        Route("/api/live", live),
        Route("/api/ready", ready),
        Mount("/api/v1", app=application()),
        *session_routes(),
        *device_routes(),
        NotFound(),
    ]


class NotFound(BaseRoute):
    """A 404 for every other path below ``ROOTS``, where Streamlit would answer with a page.

    Not a ``Mount``, whose pattern does not match a path with a line break.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match HTTP paths at or below ``ROOTS``, and the optional ones."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        is_match = scope["type"] == "http" and (
            f"{path}/".startswith(ROOTS) or path in OPTIONAL_PATHS
        )
        return (Match.FULL if is_match else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """Raise ``NoMatchFound``: this route has no name."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond with a 404 problem."""
        response = problem("not-found", NO_ROUTE)
        await SlowClientMiddleware(TelemetryMiddleware(response))(scope, receive, send)
