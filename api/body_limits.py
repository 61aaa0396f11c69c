"""Limits on request bodies: bytes, seconds, and memory for all of them together.

Starlette's ``RequestBodyLimitMiddleware`` can't be used here: it responds to an announced length
that is too large with plain text, where clients expect a problem.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from io import BytesIO

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message, Receive

from model.errors import Busy, LoupeError, PhotoTooLarge
from model.photo import MAX_BYTES
from model.resources import LARGE_BLOCK_BYTES, trim_memory
from model.settings import settings

from .dispatcher import dispatcher
from .problems import BodyTooSlow, Malformed, Stopping

FORM_BYTES = 2**16
"""Largest form around a file, in bytes."""

PHOTO_BYTES = MAX_BYTES + FORM_BYTES
"""Largest request with one photo, in bytes: the photo and the form around it."""

BATCH_BYTES = 100 * 2**20
"""Largest request with many photos, or a zip of them, in bytes."""

IDLE_TIMEOUT_SECONDS = 20.0
"""Longest wait between two body chunks, in seconds."""

BODY_TIMEOUT_SECONDS = 300.0
"""Longest time for a whole body, in seconds: 20 MB over a bad mobile network."""

GRACE_SECONDS = 5.0
"""Time before a body counts as slow, in seconds."""

TRIM_SECONDS = 1.0
"""Longest time until the memory of finished bodies returns to the system, in seconds."""

STOP_POLL_SECONDS = 0.5
"""Longest time until an upload notices that the server is stopping, in seconds."""


class Body:
    """Bytes that a client has sent so far, and since when."""

    def __init__(self) -> None:
        self.bytes, self.is_complete, self.is_dropped = 0, False, False
        self.started = time.monotonic()
        self.timeout: asyncio.Timeout | None = None
        """Timeout of the wait for the next chunk."""

    @property
    def is_slow(self) -> bool:
        """True if a full batch at its rate would not arrive in time."""
        seconds = time.monotonic() - self.started
        return seconds > GRACE_SECONDS and self.bytes / seconds < BATCH_BYTES / BODY_TIMEOUT_SECONDS

    def complete(self) -> None:
        """Mark the body as complete: it can no longer be dropped."""
        self.is_complete = True

    def drop(self) -> None:
        """Free the memory for another body, and end the wait for the next chunk."""
        self.is_dropped, self.bytes = True, 0
        if self.timeout is not None:
            # A timeout that has expired can't be rescheduled.
            with suppress(RuntimeError):
                self.timeout.reschedule(0)


class MemoryBudget:
    """Memory that all bodies together may take, in bytes; a small machine has little.

    When it is full, a new body takes the place of those that began first and are incomplete,
    instead of being refused. So no client holds memory for long that others need: to keep out an
    upload that takes N seconds, an attacker has to send the whole budget every N seconds, over any
    number of connections. At 512 MB that is 25 Mbit/s without end, to keep out a photo of 4 MB
    that arrives at 100 kB/s. The last quarter is for photos. A batch takes the
    place of slow bodies only, so that two don't drop each other in turn.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.large_limit = limit * 3 // 4
        """Memory that bodies larger than a photo may fill, in bytes."""
        self.bodies: set[Body] = set()
        self.peak = 0
        """Most memory in use since freed memory last returned to the system, in bytes."""

    @property
    def used(self) -> int:
        """Memory that is taken, in bytes."""
        return sum(body.bytes for body in tuple(self.bodies))

    def acquire(self, body: Body, count: int) -> None:
        """Let one of ``bodies`` take ``count`` more bytes.

        Raises:
            Busy: the budget is full, or this body's memory went to another one.
        """
        is_photo = body.bytes + count <= PHOTO_BYTES
        limit = self.limit if is_photo else self.large_limit
        while self.used + count > limit and (oldest := self._droppable(body, is_photo)):
            oldest.drop()
        if body.is_dropped or self.used + count > limit:
            raise _full_error()
        body.bytes += count
        self.peak = max(self.peak, self.used)

    def _droppable(self, new: Body, is_photo: bool) -> Body | None:
        older = [
            body
            for body in self.bodies
            if body.started < new.started
            and body.bytes
            and not body.is_complete
            and (is_photo or body.is_slow)
        ]
        return min(older, key=lambda body: body.started, default=None)


@lru_cache(maxsize=1)
def memory_budget() -> MemoryBudget:
    """Return the budget of this process: a quarter of its memory, at least for one batch."""
    return MemoryBudget((settings().upload_mb * 2**20 + FORM_BYTES) * 4 // 3 + 1)


async def trim_after_uploads() -> None:
    """Return freed memory to the system while large bodies come and go, and after the last."""
    while True:
        await asyncio.sleep(TRIM_SECONDS)
        budget = memory_budget()
        if budget.peak - budget.used > LARGE_BLOCK_BYTES:
            budget.peak = budget.used
            await asyncio.to_thread(trim_memory)


@asynccontextmanager
async def limited_body(request: Request, limit: int, weight: int = 1) -> AsyncIterator[Request]:
    """Wrap a request so that reading past ``limit`` bytes raises.

    Counts bytes on arrival, because chunked bodies have no Content-Length and the header
    can lie.

    Args:
        limit: largest body, in bytes.
        weight: memory per byte of the body until the block ends, in bytes.

    Raises:
        PhotoTooLarge: more than ``limit`` bytes, announced or sent.
        BodyTooSlow: no byte for 20 s, or not complete after 300 s.
        Busy: other bodies need the memory more.
        Stopping: the server is stopping, and the body is not complete.
    """
    check_length(request.headers, limit)
    body = Body()
    memory_budget().bodies.add(body)
    receive = limited_receive(request.receive, body, limit, BODY_TIMEOUT_SECONDS, weight)
    try:
        yield Request(request.scope, receive)
    finally:
        memory_budget().bodies.remove(body)


async def read_body(request: Request) -> bytes:
    """Return a request's body, which ``Request.body`` would hold twice while it joins the parts."""
    # Closed in any case: the traceback of an error refers to it until its response is sent.
    with BytesIO() as body:
        async for part in request.stream():
            body.write(part)
        return body.getvalue()


def check_length(headers: Headers, limit: int) -> None:
    """Reject a body by the length that the client announces, before it is read.

    Raises:
        Malformed: it is not a number.
        PhotoTooLarge: it is more than ``limit`` bytes.
    """
    announced = headers.get("content-length", "0")
    if not (announced.isascii() and announced.isdigit()):
        raise Malformed("Content-Length isn't a number. Send the body's length in bytes.")
    if int(announced) > limit:
        raise _too_large_error(limit)


def limited_receive(
    receive: Receive, body: Body, limit: int, timeout_seconds: float, weight: int = 1
) -> Receive:
    """Return ``receive`` with the limits of ``limited_body``; its bytes count for ``body``."""
    deadline, received = time.monotonic() + timeout_seconds, 0

    async def receive_counted() -> Message:
        nonlocal received
        idle_deadline = time.monotonic() + IDLE_TIMEOUT_SECONDS
        message = await receive_in_time(receive, min(idle_deadline, deadline), body)
        if message is None:
            raise _interrupted_error(body)
        count = len(message.get("body", b""))
        if received + count > limit:
            raise _too_large_error(limit)
        memory_budget().acquire(body, count * weight)
        received += count
        if not message.get("more_body", False):
            body.complete()
        return message

    return receive_counted


async def receive_in_time(
    receive: Receive, deadline: float, body: Body | None = None
) -> Message | None:
    """Return the next part of a body; None past the deadline, or if the server is stopping.

    Args:
        deadline: in seconds on the monotonic clock.
        body: None is also returned once this is dropped.
    """
    while not dispatcher().stopping and (left := deadline - time.monotonic()) > 0:
        # asyncio.wait_for would create a task each time before Python 3.12.
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, STOP_POLL_SECONDS)) as timeout:
                if body is not None:
                    body.timeout = timeout
                return await receive()
        if body is not None and body.is_dropped:
            break
    return None


def _interrupted_error(body: Body) -> LoupeError:
    if body.is_dropped:
        return _full_error()
    if dispatcher().stopping:
        return Stopping("This server is shutting down. Send the photo again to reach another one.")
    return BodyTooSlow("The upload timed out. Try a smaller photo or a better connection.")


def _full_error() -> Busy:
    return Busy("Too many uploads at the same time. Try again in a moment.")


def _too_large_error(limit: int) -> PhotoTooLarge:
    return PhotoTooLarge(
        f"The request is larger than {limit // 2**20} MB. Send a smaller photo, or fewer photos "
        "per request."
    )
