"""The gate: so many places, so many who wait, and a deadline for those."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from model.admission import AdmissionQueue, admission_queue
from model.errors import Busy
from model.settings import settings


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.002)


def enter(gate: AdmissionQueue, *, patient: bool = False) -> str:
    try:
        with gate.enter(patient=patient):
            return "in"
    except Busy as busy:
        return str(busy)


def waiting(gate: AdmissionQueue) -> int:
    return gate.waiting


def test_beyond_places_and_queue_it_is_busy_at_once() -> None:
    door = AdmissionQueue(places=1, queue=1, deadline=5)
    with ThreadPoolExecutor(1) as pool:
        with door.enter():
            second: Future[str] = pool.submit(enter, door)
            until(lambda: waiting(door) == 1)
            began = time.perf_counter()
            assert enter(door) == "All 1 places are taken and the queue is full. Try again."
            assert time.perf_counter() - began < 0.5
            assert not second.done()
        assert second.result(5) == "in"
    assert waiting(door) == 0


def test_without_a_queue_nobody_waits() -> None:
    door = AdmissionQueue(places=2, queue=0, deadline=5)
    with door.enter(), door.enter():
        assert "queue is full" in enter(door)
    assert enter(door) == "in"


def test_who_waits_too_long_is_told_so() -> None:
    door = AdmissionQueue(places=1, queue=1, deadline=0.05)
    with door.enter():
        began = time.perf_counter()
        assert enter(door) == "No place came free in 0.05 s. Try again."
        assert 0.04 < time.perf_counter() - began < 2
        # The place in the queue is free again.
        assert waiting(door) == 0
        assert "No place came free" in enter(door)


def test_the_patient_wait_outside_the_queue_and_beyond_the_deadline() -> None:
    door = AdmissionQueue(places=1, queue=1, deadline=0.05)
    with ThreadPoolExecutor(3) as pool:
        with door.enter():
            patient = [pool.submit(enter, door, patient=True) for _ in range(3)]
            time.sleep(0.15)
            assert not any(one.done() for one in patient)
            assert waiting(door) == 0
        assert [one.result(5) for one in patient] == ["in"] * 3


def test_a_failure_inside_leaves_the_place() -> None:
    door = AdmissionQueue(places=1, queue=0, deadline=1)
    for _ in range(5):
        with pytest.raises(RuntimeError), door.enter():
            raise RuntimeError
    assert enter(door) == "in"


def test_there_are_never_more_inside_than_places() -> None:
    door = AdmissionQueue(places=3, queue=100, deadline=20)
    lock, inside, most = threading.Lock(), 0, 0

    def visit(number: int) -> None:
        nonlocal inside, most
        with door.enter(patient=number % 2 == 0):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.001)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(visit, range(100)))
    assert (inside, most) == (0, 3)


def test_who_came_first_goes_in_first() -> None:
    door, order = AdmissionQueue(places=1, queue=100, deadline=20), []

    def visit(number: int) -> None:
        with door.enter(patient=number % 3 == 0):
            order.append(number)

    with ThreadPoolExecutor(20) as pool:
        with door.enter():
            for number in range(20):
                pool.submit(visit, number)
                until(lambda number=number: len(door._line) == number + 1)
            assert door.crowded
        # Nobody who comes now overtakes those who wait.
        with door.enter():
            assert order == list(range(20))
    assert not door.crowded
    assert (door.inside, door.waiting) == (0, 0)


def test_a_place_given_as_the_deadline_passes_is_not_lost() -> None:
    door = AdmissionQueue(places=1, queue=50, deadline=0.002)
    with ThreadPoolExecutor(16) as pool:

        def visit(_: int) -> str:
            try:
                with door.enter():
                    time.sleep(0.0019)
                    return "in"
            except Busy:
                return "busy"

        results = set(pool.map(visit, range(400)))
    assert results == {"in", "busy"}
    assert (door.inside, door.waiting, len(door._line)) == (0, 0, 0)


def test_the_gate_of_the_process_is_as_set(
    data_folder: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_THREADS", "3")
    monkeypatch.setenv("LOUPE_QUEUE", "5")
    monkeypatch.setenv("LOUPE_DEADLINE", "1.5")
    settings.cache_clear()
    admission_queue.cache_clear()
    assert (admission_queue().places, admission_queue().queue, admission_queue().deadline) == (
        3,
        5,
        1.5,
    )
    assert admission_queue() is admission_queue()
