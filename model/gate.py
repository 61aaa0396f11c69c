"""As many photos at once as there are cores, a short queue, then "busy"."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from .errors import Busy
from .settings import settings

__all__ = ["Gate", "gate"]


class Gate:
    """Bounds work that many threads ask for at once.

    Args:
        places: how many may be inside.
        queue: how many may wait.
        deadline: seconds that one may wait.
    """

    def __init__(self, places: int, queue: int, deadline: float) -> None:
        self.places, self.queue, self.deadline = places, queue, deadline
        self._free = threading.Semaphore(places)
        self._lock = threading.Lock()
        self._waiting = 0

    @contextmanager
    def enter(self, *, patient: bool = False) -> Iterator[None]:
        """Hold a place; ``patient`` callers (a batch) wait outside the queue, for ever.

        Raises:
            Busy: the queue is full, or the deadline passed.
        """
        if not self._free.acquire(blocking=False):
            self._wait(patient)
        try:
            yield
        finally:
            self._free.release()

    def _wait(self, patient: bool) -> None:
        if patient:
            self._free.acquire()
            return
        with self._lock:
            if self._waiting >= self.queue:
                raise Busy(f"All {self.places} places are taken and the queue is full. Try again.")
            self._waiting += 1
        try:
            if not self._free.acquire(timeout=self.deadline):
                raise Busy(f"No place came free in {self.deadline:g} s. Try again.")
        finally:
            with self._lock:
                self._waiting -= 1


@lru_cache(maxsize=1)
def gate() -> Gate:
    """The gate of this process."""
    return Gate(settings().threads, settings().queue, settings().deadline)
