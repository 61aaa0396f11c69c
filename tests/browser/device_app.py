"""The routes of ``/device/``, or others, on a port, below a path, with what browsers asked for."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount

from api.app import routes
from deploy.client import free_port
from tests.waiting import wait_until

PREFIX = "/some/path"


@dataclass
class DeviceApp:
    """A running server."""

    port: int
    routes: list[BaseRoute]
    asked: list[str] = field(default_factory=list)
    """Paths of all requests, in order, without the page's prefix; also ``?explain``, if sent."""
    sent: list[tuple[str, int]] = field(default_factory=list)
    """Paths and bytes of all bodies that arrived, in order."""
    broken: set[str] = field(default_factory=set)
    """Ends of paths that get a 500."""
    hanging: set[str] = field(default_factory=set)
    """Ends of paths that get no response until ``released`` is set."""
    cut: set[str] = field(default_factory=set)
    """Ends of paths whose next response is cut off after its first chunk."""
    ranges: list[str] = field(default_factory=list)
    """``Range`` headers of all requests, in order."""
    released: threading.Event = field(default_factory=threading.Event)
    replaced: dict[str, bytes] = field(default_factory=dict)
    """Other contents of files, by their paths."""
    stop: Callable[[], object] = bool

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://localhost:{self.port}{PREFIX}/device/"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """See ASGI."""
        path = scope["path"].removeprefix(f"{PREFIX}/device/")
        if b"explain=" in scope.get("query_string", b""):
            path += "?explain"
        if scope["type"] == "http":
            self.asked.append(path)
            if any(path.endswith(end) for end in self.broken):
                return await Response(status_code=500)(scope, receive, send)
            if any(path.endswith(end) for end in self.hanging):
                await asyncio.to_thread(self.released.wait, 60)
            if path in self.replaced:
                response = Response(self.replaced[path], media_type="text/javascript")
                return await response(scope, receive, send)
            self.ranges += [value.decode() for name, value in scope["headers"] if name == b"range"]
            for end in [end for end in self.cut if path.endswith(end)]:
                self.cut.remove(end)
                send = partial(self._send_part, send)
        await self.app(scope, partial(self._receive, path, receive), send)
        return None

    async def _send_part(self, send: Any, message: Any) -> None:
        await send(message)
        if message["type"] == "http.response.body":
            raise ConnectionError("The connection is lost.")

    async def _receive(self, path: str, receive: Any) -> Any:
        message = await receive()
        if body := message.get("body"):
            self.sent.append((path, len(body)))
        return message

    def __post_init__(self) -> None:
        self.app = Starlette(routes=[Mount(PREFIX, app=Starlette(routes=self.routes))])


@contextmanager
def device_app(*others: BaseRoute) -> Iterator[DeviceApp]:
    """Serve routes, by default the app's, in a thread."""
    running = DeviceApp(free_port(), list(others) or routes())
    # Without its own configuration, which would change the loggers of later tests.
    config = uvicorn.Config(running, "127.0.0.1", running.port, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    wait_until(lambda: server.started, 20)

    def stop() -> None:
        running.released.set()
        server.should_exit = server.force_exit = True
        thread.join(10)

    running.stop = stop
    try:
        yield running
    finally:
        stop()
