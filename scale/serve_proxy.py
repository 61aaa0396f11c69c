"""What Serve's proxies lack: limits on requests, and refusals in the API's words.

Each proxy calls ``prepare_proxy``, which ``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`` names.
"""

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send
from uvicorn.config import HTTP_PROTOCOLS

from api.body_limits import BATCH_BYTES, FORM_BYTES, limited_body
from api.connections import HeadTimeoutProtocol
from api.middleware import HttpMiddleware, SlowClientMiddleware
from api.problems import error_response
from model import LoupeError
from model.errors import Busy

MAX_BODY_BYTES = BATCH_BYTES + FORM_BYTES
"""Largest body that a proxy takes, in bytes; replicas have lower limits for most routes."""

CONTROLS = (
    b"serve-multiplexed-model-id",
    b"traceparent",
    b"x-request-disconnect-disabled",
    b"x-request-id",
    b"x-request-timeout-seconds",
    b"x-session-id",
)
"""Headers by which a client would control Serve, which takes ``_`` for ``-``."""


def prepare_proxy() -> list[Middleware]:
    """Return the middleware of this proxy, before its server starts; the last is the outermost."""
    # httptools, which Serve's uvicorn would choose, has no limit for a request's head.
    HTTP_PROTOCOLS["auto"] = "scale.serve_proxy:ProxyProtocol"
    return [Middleware(ProxyMiddleware), Middleware(SlowClientMiddleware)]


class ProxyProtocol(HeadTimeoutProtocol):
    """HTTP with limits; Serve buffers more of a response whose client doesn't read."""

    response_bytes = 2**20


class ProxyMiddleware(HttpMiddleware):
    """Middleware that limits requests, and turns Serve's own errors into problems.

    Serve responds in plain text if no replica takes a request, and not at all if the replica is
    lost before it responds, for which uvicorn sends a 500. Both become 503 with ``Retry-After``.
    """

    async def handle_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an HTTP request; see ASGI."""
        exchange = Exchange(send)
        headers = [pair for pair in scope["headers"] if pair[0].replace(b"_", b"-") not in CONTROLS]
        try:
            # Serve reads a body as fast as it arrives, even if no replica does.
            async with limited_body(Request(scope, receive), MAX_BODY_BYTES) as request:
                exchange.body, exchange.connection = request.receive, receive
                await self.app({**scope, "headers": headers}, exchange.receive, exchange.send)
        except LoupeError as refusal:
            exchange.error = refusal
        if not exchange.is_started:
            await error_response(exchange.error)(scope, receive, send)


class Exchange:
    """A request and its response, without responses of Serve itself: they leave an ``error``."""

    body: Receive
    """Returns the next part of the body, within limits."""
    connection: Receive
    """Returns what the client sends, and the end of the connection, without limits."""

    def __init__(self, send: Send) -> None:
        self._send, self._is_received, self._is_ended = send, False, False
        self.is_started = False
        self.error: LoupeError = Busy("The server lost this request. Send it again.")

    async def receive(self) -> Message:
        """See ASGI; after a limit or the response, it is as if the client had disconnected."""
        if self._is_ended:
            return {"type": "http.disconnect"}
        if self._is_received:
            return await self.connection()
        try:
            message = await self.body()
        except LoupeError as refusal:
            self.error = refusal
            return {"type": "http.disconnect"}
        self._is_received = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """See ASGI."""
        if message["type"] == "http.response.start":
            kind = Headers(raw=message["headers"]).get("content-type", "")
            self.is_started = message["status"] != 503 or not kind.startswith("text/plain")
            if not self.is_started:
                self.error = Busy("No server is free for this request. Try again in a moment.")
        # Serve would go on reading, besides the middleware that drains the body.
        self._is_ended = message["type"] == "http.response.body" and not message.get("more_body")
        if self.is_started:
            await self._send(message)
