"""``model.admission``: one large photo is decoded at a time."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from model.admission import AdmissionQueue, Timeout
from tests.model.slots import acquire, enter, held, large_waiting, most_inside
from tests.waiting import wait_until


def test_one_large_photo_is_decoded_at_a_time() -> None:
    queue = AdmissionQueue(slots=4, queue=100, deadline_seconds=20)

    @contextmanager
    def decode(number: int) -> Iterator[None]:
        timeout: Timeout = None if number % 3 == 0 else "deadline"
        with acquire(queue, timeout), queue.large_photo():
            yield

    assert most_inside(decode, 60) == 1
    assert (queue.active, large_waiting(queue)) == (0, 0)


def test_waiting_large_photo_leaves_its_slot_to_a_small_one() -> None:
    queue = AdmissionQueue(slots=2, queue=4, deadline_seconds=20)
    with ThreadPoolExecutor(1) as pool:
        with held(queue, large=True):
            second = pool.submit(enter, queue, large=True)
            wait_until(lambda: large_waiting(queue) == 1)
            assert queue.active == 1
            assert queue.waiting("screen") == 1
            assert enter(queue) == "in"
            assert not second.done()
        assert second.result(5) == "in"


def test_permit_is_held_until_the_slot_is_released() -> None:
    """Until then the decoded picture is in memory."""
    queue = AdmissionQueue(slots=2, queue=4, deadline_seconds=20)
    with ThreadPoolExecutor(1) as pool:
        with queue.acquire():
            with queue.large_photo():
                second = pool.submit(enter, queue, large=True)
                wait_until(lambda: large_waiting(queue) == 1)
            with queue.large_photo():
                assert large_waiting(queue) == 1
            assert not second.done()
        assert second.result(5) == "in"


def test_large_photo_waits_once_and_within_one_deadline() -> None:
    queue = AdmissionQueue(slots=2, queue=4, deadline_seconds=0.6)

    def arrive() -> tuple[str, float]:
        started = time.perf_counter()
        return enter(queue, large=True), time.perf_counter() - started

    with held(queue, large=True), ThreadPoolExecutor(1) as pool:
        with held(queue):
            late = pool.submit(arrive)
            wait_until(lambda: queue.waiting("screen") == 1)
            time.sleep(0.3)
        # It gets a slot at half of its deadline, and waits for the permit in the other half.
        message, seconds = late.result(5)
        assert message == "Still busy after 0.6 s. Try again in a moment."
        assert 0.55 < seconds < 0.9
    assert (queue.active, large_waiting(queue)) == (0, 0)
    assert enter(queue, large=True) == "in"


def test_large_photo_is_not_starved_by_small_ones() -> None:
    queue = AdmissionQueue(slots=2, queue=100, deadline_seconds=20)
    end = threading.Event()

    def small() -> None:
        while not end.is_set():
            with queue.acquire():
                time.sleep(0.001)

    with ThreadPoolExecutor(10) as pool:
        try:
            with held(queue, large=True):
                smalls = [pool.submit(small) for _ in range(8)]
                large = pool.submit(enter, queue, large=True)
                wait_until(lambda: large_waiting(queue) == 1)
            assert large.result(2) == "in"
        finally:
            end.set()
        for call in smalls:
            call.result(5)


def test_large_photos_that_wait_are_bounded() -> None:
    queue = AdmissionQueue(slots=2, queue=1, deadline_seconds=20)
    waiting = []

    def are_waiting(count: int) -> bool:
        return large_waiting(queue) == count

    with ThreadPoolExecutor(5) as pool:
        with held(queue, large=True):
            for count in range(1, 4):
                waiting.append(pool.submit(enter, queue, large=True))
                wait_until(partial(are_waiting, count))
            assert enter(queue, large=True).startswith("Too many photos")
        assert [call.result(5) for call in waiting] == ["in"] * 3


def test_large_photo_without_a_slot_waits_past_the_deadline() -> None:
    """A training reads photos outside the slots, and must not lose one to a busy server."""
    queue = AdmissionQueue(slots=1, queue=0, deadline_seconds=0.01)
    decoded = threading.Event()

    def decode() -> None:
        with queue.large_photo():
            decoded.set()

    with ThreadPoolExecutor(1) as pool:
        with held(queue, large=True):
            call = pool.submit(decode)
            wait_until(lambda: large_waiting(queue) == 1)
            assert not decoded.wait(0.1)
        call.result(5)
    assert queue.active == 0
