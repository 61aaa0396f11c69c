"""All routes that stand beside the screen."""

from typing import Any

from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, Mount, NoMatchFound, Route
from starlette.types import Receive, Scope, Send

from model.settings import settings

from .adapters import adapters
from .health import live, ready
from .problems import problem
from .telemetry import TelemetryMiddleware, exposition
from .timeouts import SlowClientMiddleware
from .v1 import application

__all__ = ["routes"]


def routes() -> list[BaseRoute]:
    """The routes of this process, as its settings ask for them."""
    measured = [Route(settings().metrics, exposition)] if settings().metrics else []
    # What an owner or a platform names may lie anywhere, so it comes first.
    return [
        *measured,
        *adapters(),
        Route("/api/live", live),
        Route("/api/ready", ready),
        Mount("/api/v1", app=application()),
        ApiNotFound(),
    ]


ASKED = ("/metrics", "/ping", "/invocations", "/execution-parameters")
"""What programs ask for where it is off: the screen's page would tell them that all is well."""


class ApiNotFound(BaseRoute):
    """What is left under ``/api``: without this the screen would answer there, with 200.

    No ``Mount``: its pattern does not match an address with a line break in it.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the path, where the server has it, is ``/api`` or below, or often asked for."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        ours = scope["type"] == "http" and (
            path == "/api" or path.startswith("/api/") or path in ASKED
        )
        return (Match.FULL if ours else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """It has no name to be found by."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """404, as a problem."""
        answer = problem(
            "not-found", "There is nothing at this address. The API stands at /api/v1/docs."
        )
        await SlowClientMiddleware(TelemetryMiddleware(answer))(scope, receive, send)
