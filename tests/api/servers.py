"""The API's application on Ray Serve where it is installed, as in ``make test-scale``, or plain."""

import asyncio
from collections.abc import Callable
from importlib.util import find_spec
from itertools import count
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import routes
from api.lifecycle import lifespan


def start_application() -> ASGIApp:
    """Return the application with this process's settings."""
    return _ray_serve() if find_spec("ray") else Starlette(routes=routes(), lifespan=lifespan)


def _ray_serve() -> ASGIApp:
    """Return an application that hands each request to a replica, in Serve's testing mode.

    The replica runs in a thread of this process with an event loop of its own.
    """
    from ray import serve

    from scale.serve_deployment import deployment

    replica = serve.run(deployment().bind(), _local_testing_mode=True)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        plain_scope = {key: value for key, value in scope.items() if key not in ("app", "state")}
        await replica.remote(plain_scope, _Reference(receive), _Reference(send))

    return application


_functions: dict[int, Callable[..., Any]] = {}
_numbers = count()


class _Reference:
    """A function of this event loop that becomes one for the replica's when Serve pickles it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        loop = asyncio.get_running_loop()
        self._number = next(_numbers)

        async def call(*messages: Any) -> Any:
            future = asyncio.run_coroutine_threadsafe(function(*messages), loop)
            return await asyncio.wrap_future(future)

        _functions[self._number] = call

    def __reduce__(self) -> tuple[Callable[[int], Any], tuple[int]]:
        return _take, (self._number,)


def _take(number: int) -> Callable[..., Any]:
    return _functions.pop(number)
