"""Bodies of requests: bounded in bytes and seconds, whatever their headers say."""

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

__all__ = ["BATCH_BYTES", "PHOTO_BYTES", "arriving", "limited_body"]

PHOTO_BYTES = MAX_BYTES + 2**16
"""Bytes of a request with one photo: the photo, and what a form puts around it."""

BATCH_BYTES = 100 * 2**20
"""Bytes of a request with many photos, or a zip of them."""

PAUSE = 20.0
"""Seconds without a byte after which a body is given up."""

LONGEST = 300.0
"""Seconds in all: 20 MB at the pace of a bad mobile network."""

GLANCE = 0.5
"""Seconds between two looks whether the server is stopping."""


class MemoryBudget:
    """Bytes that all bodies under way may hold together; a small machine has few."""

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0

    def take(self, count: int) -> None:
        """Hold ``count`` more bytes.

        Raises:
            Busy: the bodies of others are in the way.
        """
        if self.held + count > self.most:
            raise Busy("Too many photos are arriving at once. Try again.")
        self.held += count


@lru_cache(maxsize=1)
def memory_budget() -> MemoryBudget:
    """The budget of this process: a quarter of its memory, at least one batch."""
    return MemoryBudget(max(BATCH_BYTES + PHOTO_BYTES, settings().memory_mb * 2**20 // 4))


@asynccontextmanager
async def limited_body(request: Request, limit: int, weight: int = 1) -> AsyncIterator[Request]:
    """The request with a body that ends at ``limit`` bytes; whoever reads it gets the refusal.

    Counted is what arrives: a chunked body has no length, and a length may lie.

    Args:
        request: as it came.
        limit: bytes.
        weight: bytes of memory that one byte of the body takes until the block ends.

    Raises:
        PhotoTooLarge: more than ``limit`` bytes, announced or sent.
        BodyTooSlow: it paused for 20 s, or took 300 s.
        Busy: the bodies of others fill the memory.
        Stopping: the server is on its way out, and the body is not all here.
    """
    announced = request.headers.get("content-length", "0")
    if not (announced.isascii() and announced.isdigit()):
        raise Malformed("Content-Length is not a number.")
    if int(announced) > limit:
        raise _too_large(limit)
    until, received, held = time.monotonic() + LONGEST, 0, memory_budget()

    async def receive() -> Message:
        nonlocal received
        message = await arriving(request.receive, min(time.monotonic() + PAUSE, until))
        if message is None:
            raise _given_up()
        count = len(message.get("body", b""))
        if received + count > limit:
            raise _too_large(limit)
        held.take(count * weight)
        received += count
        return message

    try:
        yield Request(request.scope, receive)
    finally:
        held.held -= received * weight


async def arriving(receive: Receive, until: float) -> Message | None:
    """The next part of a body; None when it is late, or the server is stopping.

    Args:
        receive: see ASGI.
        until: when it is late, s on the monotonic clock.
    """
    while not dispatcher().stopping and (left := until - time.monotonic()) > 0:
        # Not wait_for, which until Python 3.12 makes a task each time.
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, GLANCE)):
                return await receive()
    return None


def _given_up() -> LoupeError:
    if dispatcher().stopping:
        return Stopping("This server is stopping. Send the photo again: another one answers.")
    return BodyTooSlow("The photo did not arrive in time. Send a smaller one.")


def _too_large(limit: int) -> PhotoTooLarge:
    return PhotoTooLarge(
        f"The request is larger than {limit // 2**20} MB. Send a smaller photo, or fewer at once."
    )
