"""Photos that the API looks at: a thread a core, a short line, then "busy".

The screen's visitors and the API's share the gate of ``model``. The API comes to it
with no more threads than there are places, so that however many clients there are, a
visitor of the screen waits for one or two photos and not for all of them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TypeVar

from starlette.requests import ClientDisconnect

from model.errors import Busy
from model.settings import settings

from .problems import Stopping

__all__ = ["Line", "line"]

T = TypeVar("T")
Gone = Callable[[], Awaitable[bool]]

BATCHES = 2
"""Batches that may be under way at once."""

GLANCE = 0.25
"""Seconds between two looks whether a client has hung up."""


class Line:
    """Bounds the API's work.

    Args:
        places: how many photos are looked at at once.
        queue: how many may wait.
        deadline: seconds that one may wait.
    """

    def __init__(self, places: int, queue: int, deadline: float) -> None:
        self.places, self.queue, self.deadline = places, queue, deadline
        self.stopping = False
        self._under_way = 0
        self._batches = asyncio.Semaphore(BATCHES)
        self._pool = ThreadPoolExecutor(places, thread_name_prefix="api")

    @property
    def crowded(self) -> bool:
        """Whether there are other photos than the one that is looked at."""
        return self._under_way > 1

    @property
    def waiting(self) -> int:
        """How many photos wait."""
        return max(0, self._under_way - self.places)

    def check(self) -> None:
        """Refuse at once what would be refused later, before its body is read.

        Raises:
            Stopping: the server is on its way out.
            Busy: the line is full.
        """
        if self.stopping:
            raise Stopping("This server is stopping. Try again: another one answers.")
        if self._under_way >= self.places + self.queue:
            raise Busy("As many photos are waiting already as may. Try again.")

    async def run(self, work: Callable[[], T], gone: Gone | None = None) -> T:
        """``work()`` in one of the threads, in the order of arrival.

        Args:
            work: what to do; it cannot be ended once it is begun.
            gone: whether the client has hung up (``request.is_disconnected``): what is not begun
                is given up then, so that nobody waits for answers that nobody reads.

        Raises:
            Stopping, Busy: see ``check``, or the deadline passed.
            ClientDisconnect: the client is gone.
        """
        self.check()
        until = time.monotonic() + self.deadline
        begun = self._pool.submit(self._in_time, work, until)
        self._under_way += 1
        try:
            answer = asyncio.wrap_future(begun)
            while not (await asyncio.wait({answer}, timeout=GLANCE))[0]:
                if gone is not None and await gone() and begun.cancel():
                    raise ClientDisconnect
            return answer.result()
        finally:
            # Nothing, once it is begun; and else nobody waits for it.
            begun.cancel()
            self._under_way -= 1

    def _in_time(self, work: Callable[[], T], until: float) -> T:
        if time.monotonic() > until:
            raise Busy(f"It was not this photo's turn in {self.deadline:g} s. Try again.")
        return work()

    def check_batch(self) -> None:
        """Refuse a batch before its photos are read.

        Raises:
            Stopping: the server is on its way out.
            Busy: two batches are under way, or the line is full.
        """
        self.check()
        if self._batches.locked():
            raise self._crowd()

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[None]:
        """Hold the place of a batch, whose photos are here: who sends slowly holds none.

        Raises:
            Stopping, Busy: see ``check_batch``, and no place came free within the deadline.
        """
        try:
            await asyncio.wait_for(self._batches.acquire(), self.deadline)
        except TimeoutError:
            raise self._crowd() from None
        try:
            self.check()
            yield
        finally:
            self._batches.release()

    @staticmethod
    def _crowd() -> Busy:
        return Busy(f"{BATCHES} batches are under way already. Try again later.")

    def close(self) -> None:
        """End the threads once what they do is done."""
        self._pool.shutdown(wait=True, cancel_futures=True)


@lru_cache(maxsize=1)
def line() -> Line:
    """The line of this process."""
    return Line(settings().threads, settings().queue, settings().deadline)
