"""``ui.batch.jobs``: a batch's thread, its results, and when it stops."""

import threading
from functools import partial

import pytest

from model.admission import AdmissionCancelled
from model.errors import BundleNotFound, DamagedPhoto
from model.storage.photo_files import PhotoFile
from tests.photos import drawn, encoded
from tests.ui.batch.results import LABELS, Clock, make_prediction
from ui.batch.jobs import Job


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
    assert job.seconds == job.seconds
    assert job.memory_bytes == sum(result.memory_bytes for result in job.results)


def test_stopped_job_takes_no_further_photo_and_keeps_its_results(classifier):
    job = Job(queue(*[b"ok"] * 500)).start()
    assert classifier.reached.wait(10)
    assert not job.ended
    job.stop()
    classifier.go.set()
    assert job.wait(10)
    assert 0 < len(job.results) < 500
    assert not job.is_abandoned


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


def test_real_photo_gets_a_small_thumbnail():
    job = Job([PhotoFile("a.jpg", None, lambda: encoded(drawn(400, 300)))]).start()
    assert job.wait(60)
    assert job.results[0].prediction is not None
    assert 0 < len(job.results[0].thumbnail) < 6000
