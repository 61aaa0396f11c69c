"""ASGI middleware of the API, and the parts of its routes' paths."""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model.settings import settings

from .body_limits import BATCH_BYTES, BODY_TIMEOUT_SECONDS, FORM_BYTES, PHOTO_BYTES, receive_in_time
from .problems import ERROR_HANDLERS
from .telemetry import metrics

log = logging.getLogger("loupe.api")

SEND_TIMEOUT_SECONDS = 60.0
"""Longest time for a client to read what was written, in seconds.

Only for responses that hold a slot. A file download delays no other client, and a slow connection
takes minutes to drain the megabytes that the system buffers.
"""

DRAIN_SECONDS = 5.0
"""Time to read and discard the rest of a rejected body, in seconds; more if it arrives quickly."""


class Segment(StringConvertor):
    """A converter for one part of a path, never empty.

    python-fasthtml, which fastai imports, changes Starlette's own converter to match an empty
    part as well, so routes would depend on whether fastai was loaded first.
    """

    regex = "[^/]+"


class Rest(StringConvertor):
    """A converter for the rest of a path; Starlette's own does not match a line break."""

    regex = r"[\s\S]*"


register_url_convertor("segment", Segment())
register_url_convertor("rest", Rest())


class HttpMiddleware:
    """Base of middleware with a method ``handle_http``; websockets and the lifespan pass it."""

    handle_http: ASGIApp

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        await (self.handle_http if scope["type"] == "http" else self.app)(scope, receive, send)


def edit_headers(send: Send, edit: Callable[[MutableHeaders], None]) -> Send:
    """Return ``send`` with the headers of each response edited."""

    async def send_edited(message: Message) -> None:
        if message["type"] == "http.response.start":
            edit(MutableHeaders(scope=message))
        await send(message)

    return send_edited


class TelemetryMiddleware(HttpMiddleware):
    """Middleware that counts and logs requests by route, and sets headers of all responses."""

    async def handle_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an HTTP request; see ASGI."""
        started, status = time.perf_counter(), 500

        async def send_response(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                if scope["method"] == "POST":
                    # A prediction belongs to the client that sent the photo.
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self.app(scope, receive, send_response)
        finally:
            # The path is a client's text, so only the route is counted and logged.
            route = getattr(scope.get("route"), "path_format", "none")
            metrics().requests.labels(route, str(status)).inc()
            ms = round((time.perf_counter() - started) * 1000, 1)
            fields = {"method": scope["method"], "route": route, "status": status, "ms": ms}
            log.info("request", extra=fields)


class ClientTimeout(Exception):
    """A client that does not read its response."""


class SlowClientMiddleware(HttpMiddleware):
    """Middleware that times out clients that stop reading, and drains bodies after an early error.

    Closing the socket during an upload resets it, and the client never sees the error;
    reading to the end might never finish. So input is discarded before the connection is closed: up
    to the length that was announced, at the rate of a batch that arrives just in time.
    """

    async def handle_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an HTTP request; see ASGI."""
        body = RequestBody(Headers(scope=scope), receive)
        timeout_seconds = SEND_TIMEOUT_SECONDS if scope["method"] == "POST" else None

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(timeout_seconds):
                    await send(message)
            except TimeoutError:
                raise ClientTimeout from None

        async def send_and_drain(message: Message) -> None:
            if message["type"] == "http.response.start" and not body.is_complete:
                MutableHeaders(scope=message)["Connection"] = "close"
            is_last = message["type"] == "http.response.body" and not message.get("more_body")
            if is_last and not body.is_complete:
                await send_in_time({**message, "more_body": True})
                await body.discard(DRAIN_SECONDS)
                message = {"type": "http.response.body", "body": b""}
            await send_in_time(message)

        try:
            await self.app(scope, body.receive, send_and_drain)
        except ClientTimeout:
            log.info("stalled", extra={"method": scope["method"]})


class RequestBody:
    """The body of a request; ``is_complete`` once all of it has been read."""

    def __init__(self, headers: Headers, receive: Receive) -> None:
        length = headers.get("content-length", "0")
        announced = int(length) if re.fullmatch("[0-9]{1,12}", length) else 0
        is_batch = announced <= settings().upload_mb * 2**20 + FORM_BYTES
        self._most = max(PHOTO_BYTES, announced if is_batch else 0)
        # With "Expect: 100-continue", reading would invite the client to send its body.
        self._receive, self._bytes_left = receive, 0 if "expect" in headers else self._most
        self.is_complete = length == "0" and "transfer-encoding" not in headers

    async def receive(self) -> Message:
        """See ASGI."""
        self._bytes_left = self._most
        return await self._receive_next()

    async def _receive_next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self.is_complete = True
        return message

    async def discard(self, seconds: float) -> None:
        """Read and discard what arrives within ``seconds``, longer if it arrives quickly."""
        deadline = time.monotonic() + seconds
        while not self.is_complete and self._bytes_left > 0:
            message = await receive_in_time(self._receive_next, deadline)
            if message is None:
                return
            size = len(message.get("body", b""))
            self._bytes_left -= size
            deadline += size * BODY_TIMEOUT_SECONDS / BATCH_BYTES


class BasePathMiddleware(HttpMiddleware):
    """Middleware that serves the routes below ``server.baseUrlPath`` as well, not compressed.

    Streamlit's server adds that path to its own routes only, and would send a page for all others.
    It compresses whatever it sends, which would hold back the lines of a batch until a block is
    full, and add half a second to each download of weights, which hardly shrink.
    """

    def __init__(self, app: ASGIApp, base_path: str, roots: tuple[str, ...]) -> None:
        super().__init__(app)
        self.base_path = f"/{base_path.strip('/')}".rstrip("/")
        self.roots = roots

    async def handle_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an HTTP request; see ASGI."""
        path = scope["path"].removeprefix(self.base_path)
        if f"{path}/".startswith(self.roots):
            scope = dict(scope)
            if path != scope["path"] and not scope.get("root_path"):
                scope["root_path"] = self.base_path
            if path.startswith("/api/") or path.endswith(".gz"):
                headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
                scope["headers"] = headers
        await self.app(scope, receive, send)


GUARDS = (Middleware(SlowClientMiddleware), Middleware(TelemetryMiddleware))
"""The middleware of all routes but health checks; the first sees a request first."""


def guarded_app(routes: Sequence[BaseRoute], *middleware: Middleware) -> Starlette:
    """Return an application with ``GUARDS`` and more middleware, whose errors are problems."""
    app = Starlette(
        routes=routes, middleware=[*GUARDS, *middleware], exception_handlers=ERROR_HANDLERS
    )
    app.router.redirect_slashes = False
    return app
