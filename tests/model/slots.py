"""Slots of an admission queue, held by other threads, and callers that want one."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext

from model.admission import AdmissionQueue, Timeout
from model.errors import Busy


def large_waiting(queue: AdmissionQueue) -> int:
    return len(queue._large_waiting)


@contextmanager
def held(queue: AdmissionQueue, count: int = 1, *, large: bool = False) -> Iterator[None]:
    """Slots held by other threads, since a thread that holds one goes on with it."""
    release, entered = threading.Event(), threading.Semaphore(0)

    def hold() -> None:
        with queue.acquire(), queue.large_photo() if large else nullcontext():
            entered.release()
            assert release.wait(30)

    with ThreadPoolExecutor(count) as pool:
        holders = [pool.submit(hold) for _ in range(count)]
        try:
            assert all(entered.acquire(timeout=5) for _ in holders)
            yield
        finally:
            release.set()
        for holder in holders:
            holder.result(5)


def acquire(queue: AdmissionQueue, timeout: Timeout) -> AbstractContextManager[object]:
    """Acquire a slot; a caller without a timeout fails after 10 s where the queue forgets it."""
    ends = time.monotonic() + 10
    return queue.acquire(timeout, lambda: time.monotonic() > ends)


def enter(queue: AdmissionQueue, timeout: Timeout = "deadline", *, large: bool = False) -> str:
    try:
        with acquire(queue, timeout), queue.large_photo() if large else nullcontext():
            return "in"
    except Busy as busy:
        return str(busy)


def most_inside(visit: Callable[[int], AbstractContextManager[object]], visits: int) -> int:
    """Return the most of ``visits`` that were inside at a time; afterwards none is."""
    lock, inside, most = threading.Lock(), 0, 0

    def stay(number: int) -> None:
        nonlocal inside, most
        with visit(number):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.001)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(stay, range(visits)))
    assert inside == 0
    return most
