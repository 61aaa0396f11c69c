"""``model.admission``: work that waits for a slot without a thread."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from model.admission import AdmissionCancelled, AdmissionQueue
from tests.model.slots import held, large_waiting
from tests.waiting import wait_until


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


def test_cancelled_submission_is_not_begun() -> None:
    queue = AdmissionQueue(slots=1, queue=2, deadline_seconds=5)
    with ThreadPoolExecutor(3) as pool:
        with held(queue):
            submission = queue.submit(lambda: pytest.fail("it was begun"), pool)
            assert submission.cancel()
            assert queue.waiting("api") == 0
        assert submission.future.cancelled()


def test_submission_that_waits_for_a_large_photo_can_be_cancelled() -> None:
    queue = AdmissionQueue(slots=2, queue=2, deadline_seconds=20)

    def work() -> None:
        with queue.large_photo():
            pytest.fail("it was decoded")

    with held(queue, large=True), ThreadPoolExecutor(3) as pool:
        submission = queue.submit(work, pool)
        wait_until(lambda: large_waiting(queue) == 1)
        assert not submission.cancel()
        with pytest.raises(AdmissionCancelled):
            submission.future.result(5)
