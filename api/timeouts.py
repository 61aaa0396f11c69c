"""Clients that take their time: to take an answer, or to send what is refused already."""

import asyncio
import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .body_limits import PHOTO_BYTES, arriving

__all__ = ["SlowClientMiddleware"]

log = logging.getLogger("loupe.api")

TAKING = 60.0
"""Seconds in which a client must take what was written, where its answer holds a place.

Not a file that is fetched: a slow line drains the megabytes that the system holds for it in
minutes, and nobody waits for it.
"""

QUICK = 0.2
"""Seconds that a refusal waits for a body which is here at once: its connection can be kept."""

LINGER = 5.0
"""Seconds that the rest of a refused body is read and thrown away; and no more than a photo."""


class ClientTimeout(Exception):
    """The client does not take its answer."""


class SlowClientMiddleware:
    """ASGI middleware: gives up a client that takes nothing, and bounds what is sent in vain.

    A refusal goes out before its body is here. Closed at once, the connection would be reset
    and the refusal lost on its way; read to its end, the body may have no end. So what comes
    is thrown away for some seconds, and then the connection is closed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = Body(Headers(scope=scope), receive)
        patience = TAKING if scope["method"] == "POST" else None

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and not body.complete:
                await body.discard(QUICK)
                if not body.complete:
                    MutableHeaders(scope=message)["Connection"] = "close"
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if last and not body.complete:
                await _taken(send, {**message, "more_body": True}, patience)
                await body.discard(LINGER)
                message = {"type": "http.response.body", "body": b""}
            await _taken(send, message, patience)

        try:
            await self.app(scope, body.receive, sending)
        except ClientTimeout:
            log.info("stalled", extra={"method": scope["method"]})


class Body:
    """A request's body, and whether all of it has been read."""

    def __init__(self, headers: Headers, receive: Receive) -> None:
        # Who asks first whether to send (Expect: 100-continue) is invited by being read from.
        self._receive, self._left = receive, 0 if "expect" in headers else PHOTO_BYTES
        self.complete = (
            headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        )

    async def receive(self) -> Message:
        """See ASGI."""
        self._left = PHOTO_BYTES
        return await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self.complete = True
        return message

    async def discard(self, seconds: float) -> None:
        """Read what still comes, for a while, and throw it away."""
        until = time.monotonic() + seconds
        while not self.complete and self._left > 0:
            message = await arriving(self._next, until)
            if message is None:
                return
            self._left -= len(message.get("body", b""))


async def _taken(send: Send, message: Message, patience: float | None) -> None:
    try:
        async with asyncio.timeout(patience):
            await send(message)
    except TimeoutError:
        raise ClientTimeout from None
