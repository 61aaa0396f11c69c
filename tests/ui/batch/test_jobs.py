"""``ui.batch.jobs``: a batch's thread, its results, and when it stops."""

import threading
from functools import partial

import pytest

from model.admission import AdmissionCancelled
from model.errors import BundleNotFound, DamagedPhoto
from model.storage.photo_files import PhotoFile
from tests.ui.batch.results import LABELS, Clock, make_prediction
from ui.batch.jobs import Job, JobCache


class FakeClassifier:
    """A classifier that waits for ``go`` before each photo."""

    def __init__(self):
        self.go, self.reached = threading.Event(), threading.Event()
        self.bundle = self
        self.labels = LABELS
        self.prediction = make_prediction()
        self.photo = self

    def identify_detailed(self, data, *, timeout, is_cancelled):
        assert timeout is None
        assert not is_cancelled()
        self.reached.set()
        assert self.go.wait(10)
        if data == b"bug":
            raise ZeroDivisionError
        if data == b"bad":
            raise DamagedPhoto("Broken.")
        return self

    def to_jpeg(self, side, quality):
        return b"jpeg"


@pytest.fixture
def classifier(monkeypatch):
    fake = FakeClassifier()
    monkeypatch.setattr("ui.batch.jobs.load", lambda model, engine: fake)
    yield fake
    fake.go.set()


def queue(*contents):
    return [
        PhotoFile(f"{index}.jpg", None, partial(bytes, data)) for index, data in enumerate(contents)
    ]


def test_job_gives_every_photo_a_result_in_order(classifier, caplog):
    def read_damaged():
        raise DamagedPhoto("Damaged inside the zip.")

    classifier.go.set()
    zipped = PhotoFile("zip.jpg", "f", read_damaged)
    job = Job([*queue(b"fine", b"bad", b"bug"), zipped, *queue(b"ok")]).start()
    assert job.wait(10)
    codes = [result.failure and result.failure.code for result in job.results]
    assert codes == [None, "damaged", "error", "damaged", None]
    assert job.ended
    assert not job.error
    assert job.memory_bytes == sum(result.memory_bytes for result in job.results)


def test_stop_does_not_wait_for_a_photo_in_the_queue(classifier, monkeypatch):
    waiting, pause = threading.Event(), threading.Event()

    def wait_for_a_slot(data, *, timeout, is_cancelled):
        waiting.set()
        while not is_cancelled():
            pause.wait(0.001)
        raise AdmissionCancelled

    monkeypatch.setattr(classifier, "identify_detailed", wait_for_a_slot)
    job = Job(queue(b"large", b"large")).start()
    assert waiting.wait(10)
    job.stop()
    assert job.wait(10)
    assert not job.results


@pytest.mark.parametrize("seconds", [299, 301])
def test_job_stops_after_a_long_time_without_a_viewer(classifier, seconds):
    classifier.go.set()
    clock = Clock()
    job = Job(queue(*[b"ok"] * 50), idle_timeout_seconds=300, clock=clock)
    job.add_viewer("gone", lambda: False)
    clock.now = seconds
    assert job.start().wait(10)
    assert job.stopping == job.is_abandoned == (seconds > 300)
    assert len(job.results) == (0 if job.is_abandoned else 50)


def test_reload_keeps_a_job_watched():
    clock, connected = Clock(), {"first"}
    job = Job(queue(b"ok"), clock=clock)
    job.add_viewer("first", lambda: "first" in connected)
    clock.now = 1000
    assert job.unwatched_seconds() == 0
    # A reload ends the first session and opens another one.
    connected.clear()
    clock.now = 1002
    assert job.unwatched_seconds() == 2
    connected.add("second")
    job.add_viewer("second", lambda: "second" in connected)
    clock.now = 5000
    assert job.unwatched_seconds() == 0
    job.remove_viewer("second")
    clock.now = 5001
    assert job.unwatched_seconds() == 1


def test_refused_model_becomes_the_jobs_error(monkeypatch):
    def refuse(model, engine):
        raise BundleNotFound("There is no model named 'x'.")

    monkeypatch.setattr("ui.batch.jobs.load", refuse)
    job = Job(queue(b"ok"), "x").start()
    assert job.wait(10)
    assert "no model" in job.error
    assert job.results == []


def make_job(clock, kind="f", memory_bytes=10):
    """Return a job that is watched ("w"), running ("r"), or else finished."""
    job = Job([], clock=clock)
    job.memory_bytes = memory_bytes
    if kind != "r":
        job.start()
        assert job.wait(10)
    if kind == "w":
        job.add_viewer("visitor", lambda: True)
    return job


def test_batch_is_found_by_its_key_alone():
    cache = JobCache()
    job, other = make_job(Clock()), make_job(Clock())
    key, other_key = cache.add(job), cache.add(other)
    assert (cache.get(key), cache.get(other_key)) == (job, other)
    assert cache.get("") is None
    assert cache.get("guess") is None
    # 128 bits as URL-safe text.
    assert len(key) == 22


def test_batch_expires_after_its_lifetime_unless_it_is_watched_or_runs():
    cache, clock = JobCache(lifetime_seconds=1800), Clock()
    keys = [cache.add(make_job(clock, kind)) for kind in "fwr"]
    for now, kept in ((1800, [True, True, True]), (1801, [False, True, True])):
        clock.now = now
        cache.sweep()
        assert [cache.get(key) is not None for key in keys] == kept


@pytest.mark.parametrize(
    ("kinds", "memory_bytes", "kept"),
    [
        pytest.param("fffff", 10, [False, False, False, True, True], id="the oldest leaves"),
        pytest.param("wff", 10, [True, False, True], id="an unwatched one leaves before it"),
        pytest.param("rrrf", 10, [True] * 4, id="a running one never leaves"),
        pytest.param("ff", 100, [False, True], id="the newest stays, however large"),
    ],
)
def test_finished_batches_leave_when_memory_is_full(kinds, memory_bytes, kept):
    cache, clock = JobCache(max_bytes=20), Clock()
    keys = []
    for clock.now, kind in enumerate(kinds):
        keys.append(cache.add(make_job(clock, kind, memory_bytes)))
    assert [cache.get(key) is not None for key in keys] == kept


def test_sweeper_ends_when_nothing_is_left(monkeypatch):
    monkeypatch.setattr("ui.batch.jobs.SWEEP_SECONDS", 0.001)
    cache, clock = JobCache(lifetime_seconds=1800), Clock()
    key = cache.add(make_job(clock))
    sweeper = cache._sweeper
    clock.now = 1801
    sweeper.join(10)
    assert not sweeper.is_alive()
    assert cache.get(key) is None
    # The next batch gets a sweeper of its own.
    cache.add(make_job(clock))
    assert cache._sweeper is not None
    # Let it end as well.
    clock.now = 5000
