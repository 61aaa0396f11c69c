"""All routes that stand beside the screen."""

from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from model.settings import settings

from .adapters import adapters
from .health import live, ready
from .observe import exposition
from .problems import problem
from .v1 import application

__all__ = ["routes"]


def routes() -> list[BaseRoute]:
    """The routes of this process, as its settings ask for them."""
    found: list[BaseRoute] = [
        Route("/api/live", live),
        Route("/api/ready", ready),
        Mount("/api/v1", app=application()),
        # Without this the screen would answer there, with 200.
        Mount("/api", app=_nothing),
    ]
    if settings().metrics:
        found.append(Route(settings().metrics, exposition))
    return [*found, *adapters()]


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    answer: Response = problem(
        "not-found", "There is nothing at this address. The API stands at /api/v1/docs."
    )
    if scope["type"] == "http":
        await answer(scope, receive, send)
