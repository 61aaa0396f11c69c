"""Limits on request bodies: bytes, seconds, and memory for all of them together.

Starlette's ``RequestBodyLimitMiddleware`` does not fit: it responds to an announced length that is
too large with plain text, where clients expect a problem.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import lru_cache

from starlette.requests import Request
from starlette.types import Message, Receive

from model.errors import Busy, LoupeError, PhotoTooLarge
from model.photo import MAX_BYTES
from model.settings import settings

from .dispatcher import dispatcher
from .problems import BodyTooSlow, Malformed, Stopping

__all__ = ["BATCH_BYTES", "PHOTO_BYTES", "limited_body", "memory_budget", "receive_in_time"]

PHOTO_BYTES = MAX_BYTES + 2**16
"""Largest request with one photo, in bytes: the photo and the form around it."""

BATCH_BYTES = 100 * 2**20
"""Largest request with many photos, or a zip of them, in bytes."""

IDLE_TIMEOUT_SECONDS = 20.0
"""Longest wait between two body chunks, in seconds."""

BODY_TIMEOUT_SECONDS = 300.0
"""Longest time for a whole body, in seconds: 20 MB over a bad mobile network."""

STOP_POLL_SECONDS = 0.5
"""Longest time until an upload notices that the server is stopping, in seconds."""


class MemoryBudget:
    """Memory that all request bodies together may take, in bytes; a small machine has little."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0

    def acquire(self, count: int) -> None:
        """Reserve ``count`` more bytes.

        Raises:
            Busy: other bodies hold too much of the memory.
        """
        if self.used + count > self.limit:
            raise Busy("Too many uploads at the same time. Try again in a moment.")
        self.used += count

    def release(self, count: int) -> None:
        """Free ``count`` bytes."""
        self.used -= count


@lru_cache(maxsize=1)
def memory_budget() -> MemoryBudget:
    """Return the budget of this process: a quarter of its memory, at least one batch."""
    return MemoryBudget(max(BATCH_BYTES + PHOTO_BYTES, settings().memory_mb * 2**20 // 4))


@asynccontextmanager
async def limited_body(request: Request, limit: int, weight: int = 1) -> AsyncIterator[Request]:
    """Wrap a request so that reading past ``limit`` bytes raises.

    Counts bytes on arrival, because chunked bodies have no Content-Length and the header
    can lie.

    Args:
        request: the request as received.
        limit: largest body, in bytes.
        weight: memory per byte of the body until the block ends, in bytes.

    Raises:
        PhotoTooLarge: more than ``limit`` bytes, announced or sent.
        BodyTooSlow: no byte for 20 s, or not complete after 300 s.
        Busy: other bodies hold too much of the memory.
        Stopping: the server is stopping, and the body is not complete.
    """
    announced = request.headers.get("content-length", "0")
    if not (announced.isascii() and announced.isdigit()):
        raise Malformed("Content-Length is not a number.")
    if int(announced) > limit:
        raise _too_large_error(limit)
    deadline, received = time.monotonic() + BODY_TIMEOUT_SECONDS, 0
    budget = memory_budget()

    async def receive() -> Message:
        nonlocal received
        idle_deadline = time.monotonic() + IDLE_TIMEOUT_SECONDS
        message = await receive_in_time(request.receive, min(idle_deadline, deadline))
        if message is None:
            raise _interrupted_error()
        count = len(message.get("body", b""))
        if received + count > limit:
            raise _too_large_error(limit)
        budget.acquire(count * weight)
        received += count
        return message

    try:
        yield Request(request.scope, receive)
    finally:
        budget.release(received * weight)


async def receive_in_time(receive: Receive, deadline: float) -> Message | None:
    """Return the next part of a body; None past the deadline, or if the server is stopping.

    Args:
        receive: see ASGI.
        deadline: in seconds on the monotonic clock.
    """
    while not dispatcher().stopping and (left := deadline - time.monotonic()) > 0:
        # asyncio.wait_for would create a task each time before Python 3.12.
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, STOP_POLL_SECONDS)):
                return await receive()
    return None


def _interrupted_error() -> LoupeError:
    if dispatcher().stopping:
        return Stopping("This server is shutting down. Send the photo again to reach another one.")
    return BodyTooSlow("The upload timed out. Try a smaller photo or a better connection.")


def _too_large_error(limit: int) -> PhotoTooLarge:
    return PhotoTooLarge(
        f"The request is larger than {limit // 2**20} MB. Send a smaller photo, or fewer photos "
        "per request."
    )
