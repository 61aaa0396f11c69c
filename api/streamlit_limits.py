"""ASGI middleware before Streamlit's own routes, which have no limits of their own."""

import asyncio
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["StreamLimitMiddleware"]

RERUNS_PER_SECOND, BURST = 20.0, 50
"""Messages of one page that are read per second, and at once after a pause."""

ALL_RERUNS_PER_SECOND = 100.0
"""Messages of all pages together that are read per second."""


class Throttle:
    """A token bucket that delays; who comes first is served first."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval, self._slack = 1 / per_second, burst / per_second
        self._next = 0.0
        """When the bucket has its next token, in seconds on the monotonic clock."""

    async def take(self) -> None:
        """Wait for a token."""
        now = time.monotonic()
        self._next = max(self._next, now - self._slack) + self._interval
        if self._next > now:
            await asyncio.sleep(self._next - now)


class StreamLimitMiddleware:
    """Middleware that limits how often pages make Streamlit run their script.

    Every message on a page's websocket starts a run or interrupts one, which takes milliseconds
    that no other visitor gets. What comes faster waits unread in the client's system. Each socket
    waits with one message at a time, so a flood on some takes turns with the others. A page sends
    a few per second while a slider is dragged.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app, self._all = app, Throttle(ALL_RERUNS_PER_SECOND, BURST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        own = Throttle(RERUNS_PER_SECOND, BURST)

        async def receive_in_turn() -> Message:
            message = await receive()
            if message["type"] != "websocket.disconnect":
                await own.take()
                await self._all.take()
            return message

        await self.app(scope, receive_in_turn, send)
