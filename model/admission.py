"""As many photos at once as there are cores, a short queue, then "busy"."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from .errors import Busy
from .settings import settings

__all__ = ["AdmissionQueue", "admission_queue"]


class AdmissionQueue:
    """Bounds work that many threads ask for at once; who came first goes in first.

    A semaphore would let in whoever asks just when a place comes free: under load
    some would wait many times as long as most.

    Args:
        places: how many may be inside.
        queue: how many may wait.
        deadline: seconds that one may wait.
    """

    def __init__(self, places: int, queue: int, deadline: float) -> None:
        self.places, self.queue, self.deadline = places, queue, deadline
        self._lock = threading.Lock()
        self._inside = 0
        self._line: deque[threading.Event] = deque()
        self._waiting = 0

    @property
    def inside(self) -> int:
        """How many are inside."""
        return self._inside

    @property
    def waiting(self) -> int:
        """How many wait in the queue; the patient are not counted."""
        return self._waiting

    @property
    def crowded(self) -> bool:
        """Whether somebody else is inside or waits: then each should take one core."""
        return self._inside > 1 or bool(self._line)

    @contextmanager
    def enter(self, *, patient: bool = False) -> Iterator[None]:
        """Hold a place; ``patient`` callers (a batch) wait outside the queue, for ever.

        Raises:
            Busy: the queue is full, or the deadline passed.
        """
        turn = self._arrive(patient)
        if turn is not None:
            self._wait(turn, patient)
        try:
            yield
        finally:
            self._leave()

    def _arrive(self, patient: bool) -> threading.Event | None:
        """Take a place, or stand in line: the event is set when it is one's turn."""
        with self._lock:
            if self._inside < self.places and not self._line:
                self._inside += 1
                return None
            if not patient and self._waiting >= self.queue:
                raise Busy(f"All {self.places} places are taken and the queue is full. Try again.")
            self._waiting += not patient
            turn = threading.Event()
            self._line.append(turn)
            return turn

    def _wait(self, turn: threading.Event, patient: bool) -> None:
        came = turn.wait(None if patient else self.deadline)
        with self._lock:
            self._waiting -= not patient
            # Whoever left may have given the place just as the deadline passed.
            if came or turn.is_set():
                return
            self._line.remove(turn)
        raise Busy(f"No place came free in {self.deadline:g} s. Try again.")

    def _leave(self) -> None:
        with self._lock:
            if self._line:
                # The place goes from hand to hand, so that nobody slips in between.
                self._line.popleft().set()
            else:
                self._inside -= 1


@lru_cache(maxsize=1)
def admission_queue() -> AdmissionQueue:
    """The gate of this process."""
    return AdmissionQueue(settings().threads, settings().queue, settings().deadline)
