"""One caller's place in the admission queue, with its deadline."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Literal

from ..errors import Busy
from ..settings import settings

Lane = Literal["screen", "api", "batch"]
"""The lane a caller waits in. Lanes take turns for free slots, so that a visitor waits for one or
two of the API's photos, not for all of them."""

Timeout = float | Literal["deadline"] | None
"""Longest wait in seconds. None waits for as long as it takes, as in ``threading``; the default,
*deadline*, is the queue's own deadline."""

CANCEL_POLL_SECONDS = 0.1
"""Longest time until a waiting caller notices that it was cancelled, in seconds."""


class AdmissionCancelled(Exception):
    """Raised if a caller is cancelled while it waits."""


class Admission:
    """A caller's place in the queue: first in a lane, then in a slot.

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
        self.lane, self.timeout_seconds = lane, timeout_seconds
        self.is_cancelled, self.needs_slot = is_cancelled, needs_slot
        self.has_slot = False
        self.large_wait_seconds = 0.0
        """Time spent waiting for the large-photo permit after it had a slot, in seconds."""
        self.granted = threading.Event()
        self._deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds

    @property
    def is_counted(self) -> bool:
        """True if it counts towards the queue's length: batches limit themselves."""
        return self.timeout_seconds is not None

    @property
    def is_late(self) -> bool:
        """True once its deadline has passed."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def late_error(self) -> Busy:
        """Return the error to raise once the deadline has passed."""
        return Busy(f"Still busy after {self.timeout_seconds:g} s. Try again in a moment.")

    def grant(self) -> None:
        """Let the caller continue; called with the queue's lock held."""
        self.has_slot = self.needs_slot
        self.granted.set()

    def wait(self) -> bool:
        """Wait until it is granted; return False once it is late or cancelled."""
        poll_seconds = None if self.is_cancelled is None else CANCEL_POLL_SECONDS
        while not self.granted.wait(self.seconds_left(poll_seconds)):
            if self.is_late or (self.is_cancelled is not None and self.is_cancelled()):
                return False
        return True

    def seconds_left(self, limit_seconds: float | None = None) -> float | None:
        """Return the limit or the time to the deadline, whichever is shorter; None if neither."""
        if self._deadline is None:
            return limit_seconds
        left = max(0.0, self._deadline - time.monotonic())
        return left if limit_seconds is None else min(left, limit_seconds)


@lru_cache(maxsize=1)
def local_cores() -> threading.Semaphore:
    """Return the cores of this process under ``LOUPE_API``; else slots are as many as cores."""
    return threading.Semaphore(settings().threads if settings().api else sys.maxsize)


@contextmanager
def local_slot(admission: Admission) -> Iterator[None]:
    """Hold a core for work in this process: under ``LOUPE_API``, slots are for waiting photos.

    Raises:
        Busy: none came free before the admission's deadline.
    """
    cores = local_cores()
    if not cores.acquire(timeout=admission.seconds_left()):
        raise admission.late_error()
    try:
        yield
    finally:
        cores.release()
