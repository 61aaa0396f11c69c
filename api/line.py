"""Photos that the API looks at: a thread a core, a short line, then "busy".

The screen's visitors and the API's share the gate of ``model``. The API comes to it
with no more threads than there are places, so that however many clients there are, a
visitor of the screen waits for one or two photos and not for all of them.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

from model.errors import Busy
from model.settings import settings

from .problems import Stopping

__all__ = ["Line", "line"]

T = TypeVar("T")

BATCHES = 2
"""Batches that may be under way at once."""


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
        self._under_way = self._batches = 0
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
            raise Busy(f"{self.queue} photos are waiting already. Try again.")

    async def run(self, work: Callable[[], T]) -> T:
        """``work()`` in one of the threads, in the order of arrival.

        Raises:
            Stopping, Busy: see ``check``, or the deadline passed.
        """
        self.check()
        until = time.monotonic() + self.deadline
        self._under_way += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._in_time, work, until)
        finally:
            self._under_way -= 1

    def _in_time(self, work: Callable[[], T], until: float) -> T:
        if time.monotonic() > until:
            raise Busy(f"It was not this photo's turn in {self.deadline:g} s. Try again.")
        return work()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Hold the place of a batch.

        Raises:
            Stopping: the server is on its way out.
            Busy: two batches are under way.
        """
        self.check()
        if self._batches >= BATCHES:
            raise Busy(f"{BATCHES} batches are under way already. Try again later.")
        self._batches += 1
        try:
            yield
        finally:
            self._batches -= 1

    def close(self) -> None:
        """End the threads once what they do is done."""
        self._pool.shutdown(wait=True, cancel_futures=True)


@lru_cache(maxsize=1)
def line() -> Line:
    """The line of this process."""
    return Line(settings().threads, settings().queue, settings().deadline)
