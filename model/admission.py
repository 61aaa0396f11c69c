"""The admission queue, in which CPU-bound work on photos waits until a core is free.

Pages, the API and batches wait in a lane each. One deadline covers a photo's whole wait: if its
header shows that it is large, it may have to trade its slot for a place in the line of large
photos, and the time it has already waited counts.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from typing import Literal, get_args

from .errors import Busy
from .settings import settings

Lane = Literal["screen", "api", "batch"]
"""The lane a caller waits in. Lanes take turns for free slots, so that a visitor waits for one or
two of the API's photos, not for all of them."""

Timeout = float | Literal["deadline"] | None
"""Longest wait in seconds. None waits for as long as it takes, as in ``threading``; the default,
*deadline*, is the queue's own deadline."""

CANCEL_POLL_SECONDS = 0.25
"""Longest time until a waiting caller notices that it was cancelled, in seconds."""


class AdmissionCancelled(Exception):
    """A caller that was cancelled while it waited."""


class Admission:
    """One caller's place: first in a lane, then in a slot.

    Args:
        lane: where it waits.
        timeout_seconds: longest total wait; None waits for as long as it takes.
        is_cancelled: polled while it waits; True takes it out of the queue.
        needs_slot: False for work outside the slots, which takes only the large-photo permit.
    """

    def __init__(
        self,
        lane: Lane,
        timeout_seconds: float | None,
        is_cancelled: Callable[[], bool] | None = None,
        *,
        needs_slot: bool = True,
    ) -> None:
        self.lane, self.needs_slot, self.has_slot = lane, needs_slot, False
        self.large_wait_seconds = 0.0
        """Time spent waiting for the large-photo permit after it had a slot, in seconds."""
        self.granted = threading.Event()
        self._timeout_seconds, self._is_cancelled = timeout_seconds, is_cancelled
        self._deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds

    @property
    def is_counted(self) -> bool:
        """True if it counts towards the queue's length: batches limit themselves."""
        return self._deadline is not None

    def wait(self) -> Exception | None:
        """Wait until it is granted; return the error to raise if it is late or cancelled."""
        while True:
            seconds = None if self._is_cancelled is None else CANCEL_POLL_SECONDS
            if self._deadline is not None:
                left = max(0.0, self._deadline - time.monotonic())
                seconds = left if seconds is None else min(left, seconds)
            if self.granted.wait(seconds):
                return None
            if self._is_cancelled is not None and self._is_cancelled():
                return AdmissionCancelled()
            if self._deadline is not None and time.monotonic() >= self._deadline:
                return Busy(f"Still busy after {self._timeout_seconds:g} s. Try again in a moment.")


class AdmissionQueue:
    """First-in, first-out admission for CPU-bound work with bounded slots, length and wait.

    A semaphore may wake any waiter, so under load some would wait many times the median.
    At most one large photo is decoded at a time, so that their memory peaks do not add up.
    One that has to wait gives its slot to the next photo, and gets the first free slot once
    its turn comes.

    Args:
        slots: maximum number of active callers.
        queue: maximum number of waiting callers, for pages and the API separately.
        deadline_seconds: longest total wait.
    """

    def __init__(self, slots: int, queue: int, deadline_seconds: float) -> None:
        self.slots, self.queue, self.deadline_seconds = slots, queue, deadline_seconds
        # Reentrant: some methods are called both with the lock held and without it.
        self._lock = threading.RLock()
        self._active = 0
        self._lanes: dict[Lane, deque[Admission]] = {lane: deque() for lane in get_args(Lane)}
        self._turns: deque[Lane] = deque(self._lanes)
        self._large_waiting: deque[Admission] = deque()
        self._is_large_active = False
        self._local = threading.local()

    @property
    def active(self) -> int:
        """Number of callers that hold a slot."""
        return self._active

    @property
    def contended(self) -> bool:
        """True if other callers are active or waiting: then each should use one core."""
        return self._active > 1 or bool(self._large_waiting) or any(self._lanes.values())

    def waiting(self, lane: Lane) -> int:
        """Return how many wait in a lane, including behind another large photo."""
        with self._lock:
            waiting = chain(self._lanes[lane], self._large_waiting)
            return sum(other.is_counted and other.lane == lane for other in waiting)

    def check(self, lane: Lane) -> None:
        """Raise ``Busy`` if a new caller would be rejected."""
        with self._lock:
            if self._active >= self.slots and self.waiting(lane) >= self.queue:
                raise _full_error()

    @contextmanager
    def acquire(
        self,
        timeout: Timeout = "deadline",
        is_cancelled: Callable[[], bool] | None = None,
        lane: Lane = "screen",
    ) -> Iterator[Admission]:
        """Hold a slot; a thread that holds one already reuses it.

        Args:
            timeout: longest wait in seconds, by default the queue's deadline. None waits for
                as long as it takes, in the lane of batches, outside the bound.
            is_cancelled: polled while the caller waits.
            lane: where a caller with a timeout waits.

        Raises:
            Busy: the queue is full, or the deadline passed.
            AdmissionCancelled: ``is_cancelled`` returned True.
        """
        current: Admission | None = getattr(self._local, "admission", None)
        if current is not None:
            yield current
            return
        lane = "batch" if timeout is None else lane
        seconds = self.deadline_seconds if timeout == "deadline" else timeout
        admission = Admission(lane, seconds, is_cancelled)
        with self._lock:
            if admission.is_counted:
                self.check(lane)
            self._lanes[lane].append(admission)
            self._dispatch()
        self._wait(admission)
        self._local.admission = admission
        try:
            yield admission
        finally:
            self._local.admission = None
            self._release(admission)

    @contextmanager
    def large_photo(self) -> Iterator[None]:
        """Hold the large-photo permit while a large photo is decoded.

        A thread without a slot (a training, a calibration) waits for as long as it takes.

        Raises:
            Busy: the deadline of this thread's admission passed.
            AdmissionCancelled: its admission was cancelled.
        """
        current: Admission | None = getattr(self._local, "admission", None)
        admission = current or Admission("batch", None, needs_slot=False)
        if not self._try_large(admission):
            started = time.monotonic()
            self._wait(admission)
            admission.large_wait_seconds += time.monotonic() - started
        try:
            yield
        finally:
            with self._lock:
                self._is_large_active = False
                self._dispatch()

    def _try_large(self, admission: Admission) -> bool:
        """Take the large-photo permit, or release the slot, join the line and return False."""
        with self._lock:
            if not (self._is_large_active or self._large_waiting):
                self._is_large_active = True
                return True
            # Waiting large photos hold no slot, so the check on entry does not bound their number.
            if admission.is_counted and self.waiting(admission.lane) >= self.slots + self.queue:
                raise _full_error()
            admission.granted.clear()
            self._large_waiting.append(admission)
            self._release(admission)
            return False

    def _wait(self, admission: Admission) -> None:
        """Wait until the caller may continue, or take it out of the queue and raise."""
        error = admission.wait()
        if error is None:
            return
        with self._lock:
            # A slot may have been granted just as the deadline passed.
            if admission.granted.is_set():
                return
            for waiting in (self._lanes[admission.lane], self._large_waiting):
                if admission in waiting:
                    waiting.remove(admission)
            # The next large photo may be one that needs no slot.
            self._dispatch()
        raise error

    def _release(self, admission: Admission) -> None:
        """Free a caller's slot; it has none if it waits or failed behind another large photo."""
        with self._lock:
            self._active -= admission.has_slot
            admission.has_slot = False
            self._dispatch()

    def _dispatch(self) -> None:
        """Fill free slots; a large photo whose turn has come goes first."""
        while self._large_waiting and not self._is_large_active:
            if self._large_waiting[0].needs_slot and self._active >= self.slots:
                break
            self._is_large_active = True
            self._grant(self._large_waiting.popleft())
        while self._active < self.slots and any(self._lanes.values()):
            lane = self._turns[0]
            self._turns.rotate(-1)
            if self._lanes[lane]:
                self._grant(self._lanes[lane].popleft())

    def _grant(self, admission: Admission) -> None:
        admission.has_slot = admission.needs_slot
        self._active += admission.needs_slot
        admission.granted.set()


def _full_error() -> Busy:
    return Busy("Too many photos are waiting right now. Try again in a moment.")


@lru_cache(maxsize=1)
def admission_queue() -> AdmissionQueue:
    """Return the admission queue of this process."""
    return AdmissionQueue(settings().threads, settings().queue, settings().deadline)
