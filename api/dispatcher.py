"""Dispatch of photos over HTTP through the admission queue, and the flag for shutdown."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TypeVar

from starlette.requests import ClientDisconnect

from model.admission import AdmissionCancelled, Lane, Submission, admission_queue
from model.errors import Busy
from model.settings import settings

from .problems import Stopping

T = TypeVar("T")

MAX_BATCHES = 2
"""Maximum number of batches that run at the same time."""

DISCONNECT_POLL_SECONDS = 0.25
"""Longest time until a disconnected client is noticed, in seconds."""


class Dispatcher:
    """A pool of threads that runs photos as the admission queue admits them."""

    def __init__(self) -> None:
        queue = admission_queue()
        self.stopping = False
        self._batches = asyncio.Semaphore(MAX_BATCHES)
        # A thread for each active photo, and in two lanes for each large one that waits.
        threads = queue.slots + 2 * (queue.slots + queue.queue)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="api")

    def check(self, lane: Lane = "api") -> None:
        """Reject a request before its body is read if it would be rejected later.

        Raises:
            Stopping: the server is shutting down.
            Busy: the lane is full.
        """
        if self.stopping:
            raise Stopping("This server is shutting down. Try again to reach another one.")
        admission_queue().check(lane)

    async def run(
        self,
        work: Callable[[], T],
        is_disconnected: Callable[[], Awaitable[bool]] | None = None,
        lane: Lane = "api",
    ) -> T:
        """Run ``work`` in a thread that holds a slot, in the order of arrival.

        Args:
            work: what to run; once started, it is finished.
            is_disconnected: see ``Request.is_disconnected``; a client that disconnects leaves
                the queue.
            lane: where it waits.

        Raises:
            Stopping, Busy: see ``check``, or the deadline passed.
            ClientDisconnect: the client disconnected.
        """
        self.check(lane)
        submission = admission_queue().submit(work, self._threads, lane)
        result = asyncio.wrap_future(submission.future)
        try:
            while not (await asyncio.wait({result}, timeout=_poll_seconds(submission)))[0]:
                submission.expire()
                if is_disconnected is not None and await is_disconnected() and submission.cancel():
                    raise ClientDisconnect
            return result.result()
        except AdmissionCancelled:
            # The client disconnected while its large photo waited for another one.
            raise ClientDisconnect from None
        finally:
            submission.cancel()
            # An error's traceback refers to this frame: a reference cycle, which keeps the photo.
            del submission, result

    def check_batch(self) -> None:
        """Reject a batch before its photos are read.

        Raises:
            Stopping: the server is shutting down.
            Busy: two batches are running, or the API's lane is full.
        """
        self.check()
        if self._batches.locked():
            raise _batches_error()

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[None]:
        """Hold one of the places for batches; to be entered once the photos have arrived.

        Raises:
            Stopping, Busy: see ``check_batch``, and no place came free within the deadline.
        """
        try:
            await asyncio.wait_for(self._batches.acquire(), settings().deadline)
        except TimeoutError:
            raise _batches_error() from None
        try:
            self.check()
            yield
        finally:
            self._batches.release()

    def close(self) -> None:
        """End the threads once their work is done."""
        self._threads.shutdown(wait=True, cancel_futures=True)


def _poll_seconds(submission: Submission[T]) -> float | None:
    # Work that has started has no deadline.
    if submission.is_started:
        return DISCONNECT_POLL_SECONDS
    return submission.seconds_left(DISCONNECT_POLL_SECONDS)


def _batches_error() -> Busy:
    return Busy("Two batches are already running. Try again in a moment.")


@lru_cache(maxsize=1)
def dispatcher() -> Dispatcher:
    """Return the dispatcher of this process."""
    return Dispatcher()
