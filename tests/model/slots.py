"""Slots of an admission queue, held by other threads, and callers that want one."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

from model.admission import AdmissionQueue, Timeout
from model.errors import Busy


def large_waiting(queue: AdmissionQueue) -> int:
    return len(queue._large_waiting)


@contextmanager
def held(queue: AdmissionQueue, count: int = 1, *, large: bool = False) -> Iterator[None]:
    """Slots held by other threads, since a thread that holds one goes on with it."""
    release, entered = threading.Event(), threading.Semaphore(0)

    def hold() -> None:
        with queue.acquire():
            if large:
                with queue.large_photo():
                    entered.release()
                    assert release.wait(30)
            else:
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


def enter(queue: AdmissionQueue, timeout: Timeout = "deadline", *, large: bool = False) -> str:
    try:
        with queue.acquire(timeout), queue.large_photo() if large else nullcontext():
            return "in"
    except Busy as busy:
        return str(busy)
