"""The admission queue, and work that waits in it without a thread."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from typing import Any, Generic, TypeVar, get_args

from ..errors import Busy
from ..settings import settings
from .place import Admission, AdmissionCancelled, Lane, Timeout

T = TypeVar("T")

MAX_REMOTE = 64
"""Most photos at a time that the API of ``LOUPE_API`` is asked about."""


class Submission(Admission, Generic[T]):
    """Work that runs in an executor once it has a slot; no thread blocks while it waits."""

    def __init__(
        self, queue: "AdmissionQueue", work: Callable[[], T], executor: Executor, lane: Lane
    ) -> None:
        # A function that refers to the submission would be a reference cycle: its photo would stay
        # in memory until the next garbage collection.
        self._cancelled = threading.Event()
        super().__init__(lane, queue.deadline_seconds, self._cancelled.is_set)
        self._queue, self._work, self._executor = queue, work, executor
        self.is_started = False
        self.future: Future[T] = Future()

    def grant(self, *, in_this_thread: bool = False) -> None:
        """Continue after the wait for another large photo, or start, unless the caller does."""
        super().grant()
        if not self.is_started:
            self.is_started = True
            if not in_this_thread:
                self._executor.submit(_run_all, [self])

    def cancel(self) -> bool:
        """Leave the queue; return whether the work had not started.

        Work that waits for another large photo ends with ``AdmissionCancelled``. Other work
        that has started is finished.
        """
        self._cancelled.set()
        if self._queue.withdraw(self):
            self.future.cancel()
        return not self.is_started

    def expire(self) -> None:
        """Leave the queue with ``Busy`` once the deadline has passed."""
        if self.is_late and not self.is_started and self._queue.withdraw(self):
            self.future.set_exception(self.late_error())

    def run(self) -> "Submission[Any] | None":
        """Run the work and release the slot; return the submission that gets it."""
        is_wanted = self.future.set_running_or_notify_cancel()
        result, failure = None, None
        self._queue.occupy(self)
        if is_wanted:
            try:
                result = self._work()
            except BaseException as error:  # noqa: BLE001 - handed on by the future
                failure = error
        # Release the slot before setting the result: the next photo must not wait for the event
        # loop.
        follower = self._queue.release(self, take_next=True)
        if failure is not None:
            self.future.set_exception(failure)
            # The error's traceback refers to this frame and its callers: another reference cycle.
            del self, failure
        elif is_wanted:
            self.future.set_result(result)  # type: ignore[arg-type]
        return follower


def _run_all(submissions: list[Submission[Any]]) -> None:
    """Run the only submission in the list, then each one that inherits its slot, in this thread.

    A thread per photo would have to wake up first, and compete for the GIL. The list is empty while
    one runs, so that no frame refers to it.
    """
    while submissions:
        follower = submissions.pop().run()
        if follower is not None:
            submissions.append(follower)


class AdmissionQueue:
    """First-in, first-out admission for CPU-bound work with bounded slots, length and wait.

    A semaphore may wake any waiter, so under load some would wait many times the median.
    At most one large photo is decoded and made into pixels at a time, so that their memory peaks
    do not add up. One that has to wait gives its slot to the next photo, and gets the first free
    slot once its turn comes.

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
        self._large: Admission | None = None
        """The holder of the large-photo permit."""
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
    ) -> Iterator[Admission]:
        """Hold a slot; a thread that holds one already reuses it.

        Args:
            timeout: longest wait in seconds, by default the queue's deadline. None waits for
                as long as it takes, in the lane of batches, outside the bound.
            is_cancelled: polled while the caller waits.

        Raises:
            Busy: the queue is full, or the deadline passed.
            AdmissionCancelled: ``is_cancelled`` returned True.
        """
        current: Admission | None = getattr(self._local, "admission", None)
        if current is not None:
            yield current
            return
        timeout = self.deadline_seconds if timeout == "deadline" else timeout
        admission = Admission("batch" if timeout is None else "screen", timeout, is_cancelled)
        self._enter(admission)
        self._wait(admission)
        self.occupy(admission)
        try:
            yield admission
        finally:
            self.release(admission)

    def submit(
        self, work: Callable[[], T], executor: Executor, lane: Lane = "api"
    ) -> Submission[T]:
        """Run ``work`` in the executor as soon as a slot is free.

        Args:
            work: what to run; ``acquire`` inside it reuses the slot.
            executor: needs a thread for each slot and for each large photo that may wait.
            lane: where it waits.

        Raises:
            Busy: the queue is full.
        """
        submission = Submission(self, work, executor, lane)
        self._enter(submission)
        return submission

    @contextmanager
    def large_photo(self) -> Iterator[None]:
        """Hold the large-photo permit until ``release_large``, or until the slot is released.

        The decoded picture lives as long as that. A thread without a slot (a training, a
        calibration) waits for as long as it takes, and holds the permit until the block ends.

        Raises:
            Busy: the deadline of this thread's admission passed.
            AdmissionCancelled: its admission was cancelled.
        """
        current: Admission | None = getattr(self._local, "admission", None)
        admission = current or Admission("batch", None, needs_slot=False)
        if self._large is not admission and not self._try_large(admission):
            started = time.monotonic()
            self._wait(admission)
            admission.large_wait_seconds += time.monotonic() - started
        try:
            yield
        finally:
            if current is None:
                with self._lock:
                    self._large = None
                    self._dispatch()

    def release_large(self) -> bool:
        """Release the permit before the slot, if this thread's admission holds it.

        Returns:
            Whether it did; the caller then drops the decoded picture.
        """
        current: Admission | None = getattr(self._local, "admission", None)
        with self._lock:
            if current is None or self._large is not current:
                return False
            self._large = None
            self._dispatch()
        return True

    def occupy(self, admission: Admission) -> None:
        """Tie the slot of a granted admission to this thread."""
        self._local.admission = admission

    def release(self, admission: Admission, *, take_next: bool = False) -> "Submission[Any] | None":
        """Release the slot; with ``take_next``, return a submission to run in this thread."""
        self._local.admission = None
        with self._lock:
            # It has no slot if it timed out or was cancelled behind another large photo.
            if not admission.has_slot:
                return None
            admission.has_slot = False
            self._active -= 1
            if self._large is admission:
                self._large = None
            return self._dispatch(take_next=take_next)

    def withdraw(self, admission: Admission) -> bool:
        """Remove a waiting caller; return False if it is no longer waiting."""
        with self._lock:
            for waiting in (self._lanes[admission.lane], self._large_waiting):
                if admission in waiting:
                    waiting.remove(admission)
                    # The next large photo may be one that needs no slot.
                    self._dispatch()
                    return True
            return False

    def _enter(self, admission: Admission) -> None:
        with self._lock:
            if admission.is_counted:
                self.check(admission.lane)
            self._lanes[admission.lane].append(admission)
            self._dispatch()

    def _wait(self, admission: Admission) -> None:
        if admission.wait():
            return
        with self._lock:
            # A slot may have been granted just as the deadline passed.
            if admission.granted.is_set():
                return
            self.withdraw(admission)
        raise admission.late_error() if admission.is_late else AdmissionCancelled

    def _try_large(self, admission: Admission) -> bool:
        """Take the large-photo permit, or release the slot, join the line and return False."""
        with self._lock:
            if not (self._large or self._large_waiting):
                self._large = admission
                return True
            # Waiting large photos hold no slot, so the check on entry does not bound their number.
            if admission.is_counted and self.waiting(admission.lane) >= self.slots + self.queue:
                raise _full_error()
            admission.granted.clear()
            self._large_waiting.append(admission)
            if admission.has_slot:
                admission.has_slot = False
                self._active -= 1
            self._dispatch()
            return False

    def _dispatch(self, *, take_next: bool = False) -> "Submission[Any] | None":
        """Fill free slots; a large photo whose turn has come goes first."""
        while self._large_waiting and not self._large:
            if self._large_waiting[0].needs_slot and self._active >= self.slots:
                break
            self._large = admission = self._large_waiting.popleft()
            self._active += admission.needs_slot
            admission.grant()
        follower = None
        while self._active < self.slots and (next_admission := self._pop_next()) is not None:
            self._active += 1
            if take_next and follower is None and isinstance(next_admission, Submission):
                follower = next_admission
                follower.grant(in_this_thread=True)
            else:
                next_admission.grant()
        return follower

    def _pop_next(self) -> Admission | None:
        for _ in self._lanes:
            lane = self._turns[0]
            self._turns.rotate(-1)
            if self._lanes[lane]:
                return self._lanes[lane].popleft()
        return None


def _full_error() -> Busy:
    return Busy("Too many photos are waiting right now. Try again in a moment.")


@lru_cache(maxsize=1)
def admission_queue() -> AdmissionQueue:
    """Return the admission queue of this process."""
    # Photos that wait elsewhere keep no core busy: their line is there.
    slots = MAX_REMOTE if settings().api else settings().threads
    return AdmissionQueue(slots, settings().queue, settings().deadline)
