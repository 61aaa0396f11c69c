"""``model.admission``: slots, lanes, one deadline, and work that waits without a thread."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import pytest

from model.admission import AdmissionCancelled, AdmissionQueue, admission_queue
from model.errors import Busy
from model.settings import settings
from tests.model.slots import acquire, enter, held, large_waiting, most_inside
from tests.waiting import wait_until


def test_queue_rejects_when_full() -> None:
    queue = AdmissionQueue(slots=1, queue=1, deadline_seconds=5)
    with ThreadPoolExecutor(1) as pool:
        with held(queue):
            second: Future[str] = pool.submit(enter, queue)
            wait_until(lambda: queue.waiting("screen") == 1)
            started = time.perf_counter()
            assert enter(queue).startswith("Too many photos are waiting right now.")
            assert time.perf_counter() - started < 0.5
            with pytest.raises(Busy):
                queue.check("screen")
            # Each lane has its own bound.
            queue.check("api")
            assert not second.done()
        assert second.result(5) == "in"
    assert queue.waiting("screen") == 0


def test_waiting_past_the_deadline_raises_busy() -> None:
    queue = AdmissionQueue(slots=1, queue=1, deadline_seconds=0.05)
    with held(queue):
        started = time.perf_counter()
        assert enter(queue) == "Still busy after 0.05 s. Try again in a moment."
        assert 0.04 < time.perf_counter() - started < 2
        # Its place in the queue is free again.
        assert queue.waiting("screen") == 0
        assert enter(queue).startswith("Still busy")


def test_callers_without_timeout_wait_past_bound_and_deadline() -> None:
    queue = AdmissionQueue(slots=1, queue=1, deadline_seconds=0.05)
    with ThreadPoolExecutor(3) as pool:
        with held(queue):
            patient = [pool.submit(enter, queue, None) for _ in range(3)]
            wait_until(lambda: len(queue._lanes["batch"]) == 3)
            assert enter(queue).startswith("Still busy")
            assert not any(call.done() for call in patient)
            assert queue.waiting("batch") == 0
        assert [call.result(5) for call in patient] == ["in"] * 3


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_cancelled_caller_leaves_the_queue(large: bool) -> None:
    queue = AdmissionQueue(slots=2 if large else 1, queue=4, deadline_seconds=20)
    cancelled = threading.Event()

    def wait() -> None:
        with (
            queue.acquire(None, cancelled.is_set),
            queue.large_photo() if large else nullcontext(),
        ):
            raise AssertionError("a cancelled caller went on")

    with held(queue, large=large), ThreadPoolExecutor(1) as pool:
        call = pool.submit(wait)
        wait_until(lambda: (large_waiting(queue) if large else len(queue._lanes["batch"])) == 1)
        cancelled.set()
        with pytest.raises(AdmissionCancelled):
            call.result(5)
        assert not queue._lanes["batch"]
        assert (queue.active, large_waiting(queue)) == (1, 0)
    assert queue.active == 0


def test_failure_inside_releases_the_slot() -> None:
    queue = AdmissionQueue(slots=1, queue=0, deadline_seconds=1)
    for _ in range(5):
        with pytest.raises(RuntimeError), queue.acquire():
            raise RuntimeError
    assert enter(queue) == "in"


def test_active_never_exceeds_slots() -> None:
    queue = AdmissionQueue(slots=3, queue=100, deadline_seconds=20)

    def visit(number: int) -> AbstractContextManager[object]:
        return acquire(queue, None if number % 2 else "deadline")

    assert most_inside(visit, 100) == 3


def test_each_lane_is_first_in_first_out() -> None:
    queue = AdmissionQueue(slots=1, queue=100, deadline_seconds=20)
    order: list[int] = []

    def visit(number: int) -> None:
        with queue.acquire():
            order.append(number)

    def is_waiting(count: int) -> bool:
        return queue.waiting("screen") == count

    with ThreadPoolExecutor(20) as pool, held(queue):
        for number in range(20):
            pool.submit(visit, number)
            wait_until(partial(is_waiting, number + 1))
        assert queue.contended
    assert order == list(range(20))
    assert not queue.contended
    assert (queue.active, queue.waiting("screen")) == (0, 0)


def test_lanes_take_turns() -> None:
    """A visitor of the screen does not wait for all clients of the API."""
    queue = AdmissionQueue(slots=1, queue=100, deadline_seconds=20)
    order: list[str] = []

    def visit() -> None:
        with queue.acquire():
            order.append("screen")

    with ThreadPoolExecutor(20) as pool, ThreadPoolExecutor(12) as api:
        with held(queue):
            submissions = [queue.submit(lambda: order.append("api"), api) for _ in range(10)]
            assert queue.waiting("api") == 10
            visitors = [pool.submit(visit) for _ in range(3)]
            wait_until(lambda: queue.waiting("screen") == 3)
        for submission in submissions:
            submission.future.result(5)
        for visitor in visitors:
            visitor.result(5)
    assert order[:6].count("screen") == 3
    # Nor do the clients wait for all visitors.
    assert "api" in order[:3]


def test_slot_granted_as_the_deadline_passes_is_not_lost() -> None:
    queue = AdmissionQueue(slots=1, queue=50, deadline_seconds=0.002)
    with ThreadPoolExecutor(16) as pool:

        def visit(_: int) -> str:
            try:
                with queue.acquire():
                    time.sleep(0.0019)
                    return "in"
            except Busy:
                return "busy"

        results = set(pool.map(visit, range(400)))
    assert results == {"in", "busy"}
    assert (queue.active, queue.waiting("screen"), queue.contended) == (0, 0, False)


def test_submitted_work_holds_its_slot_and_releases_it() -> None:
    queue = AdmissionQueue(slots=1, queue=2, deadline_seconds=5)

    def work() -> int:
        # What runs inside goes on with the slot of the submission.
        with queue.acquire(), queue.large_photo():
            return queue.active

    def fail() -> None:
        raise RuntimeError("broken")

    with ThreadPoolExecutor(3) as pool:
        failing, working = queue.submit(fail, pool), queue.submit(work, pool)
        with pytest.raises(RuntimeError, match="broken"):
            failing.future.result(5)
        assert working.future.result(5) == 1
        wait_until(lambda: queue.active == 0)


def test_submissions_of_one_slot_run_in_one_thread() -> None:
    """Waking another thread for each photo would cost time, and a stack for each client."""
    queue = AdmissionQueue(slots=1, queue=20, deadline_seconds=5)
    with ThreadPoolExecutor(20) as pool:
        with held(queue):
            submissions = [queue.submit(threading.get_ident, pool) for _ in range(20)]
        assert len({submission.future.result(5) for submission in submissions}) == 1
        wait_until(lambda: queue.active == 0)


def test_queue_of_the_process_follows_the_settings(
    data_folder: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_THREADS", "3")
    monkeypatch.setenv("LOUPE_QUEUE", "5")
    monkeypatch.setenv("LOUPE_DEADLINE", "1.5")
    settings.cache_clear()
    admission_queue.cache_clear()
    queue = admission_queue()
    assert (queue.slots, queue.queue, queue.deadline_seconds) == (3, 5, 1.5)
    assert admission_queue() is queue
