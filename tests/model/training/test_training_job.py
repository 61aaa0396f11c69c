"""The training process: its lock, start and stop, and the runs on a photo set that it trains."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest

from model.errors import DataError
from model.settings import ROOT, settings
from model.training import photo_report, photo_sets, stored_predictions, training_job
from model.training.config import TrainingConfig
from model.training.run_record import CHECK, RunRecord, Stage, list_runs, read_run
from model.training.training_job import Job, current_job, start_job, stop_job, training_lock
from tests.model import command
from tests.model.training.conftest import new_run, run_train
from tests.model.training.pictures import folder_of, picture
from tests.waiting import in_threads, wait_until

FORMS = ("--set", "forms", "--name", "forms")


@pytest.fixture(autouse=True)
def _own_data(data_folder: Path) -> Iterator[None]:
    """Runs in a data folder of this test, and no process that outlives it."""
    yield
    stop_job()


HOLDER = """
import signal, sys, time
from model.training.training_job import training_lock

signal.signal(signal.SIGINT, getattr(signal, sys.argv[1]))
with training_lock("forms"):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def holder(handler: str) -> Iterator["subprocess.Popen[str]"]:
    """Hold the lock in a process, as if it trained "forms"; ``handler`` handles SIGINT."""
    words = [sys.executable, "-c", HOLDER, handler]
    out: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(words, cwd=ROOT, **out) as process:
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_lock_admits_one_process_until_it_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_job, "LOCK_SECONDS", 0.1)
    with holder("SIG_DFL") as process:
        assert current_job() == Job(process.pid, "forms")
        with pytest.raises(DataError, match="training 'forms'. Wait"), training_lock("x"):
            pass
        with pytest.raises(DataError, match="Another training run is in progress"):
            start_job("--name", "x")
        process.kill()
        process.wait()
        assert current_job() is None
        with training_lock("x"):
            assert current_job() == Job(os.getpid(), "x")
            stop_job()  # never this process itself


def test_concurrent_calls_never_return_an_ended_job(data_folder: Path) -> None:
    with holder("SIG_DFL"):
        pass
    file = data_folder / "training" / ".holder"
    left_behind, seen = file.rename(data_folder / "left-behind"), []
    barrier = Barrier(16, lambda: file.hardlink_to(left_behind), timeout=30)

    def look() -> None:
        for _ in range(100):
            barrier.wait()
            seen.append(current_job())

    with in_threads(Event(), *[look] * 16):
        pass
    assert seen == [None] * 1600


@pytest.mark.slow
@pytest.mark.parametrize(
    ("handler", "ended_by"), [("default_int_handler", "SIGINT"), ("SIG_IGN", "SIGKILL")]
)
def test_job_is_interrupted_then_killed_if_it_does_not_end(handler: str, ended_by: str) -> None:
    with holder(handler) as process:
        stop_job()
        assert current_job() is None
        assert signal.Signals(-process.wait()).name == ended_by


def test_job_that_does_not_begin_says_why() -> None:
    with pytest.raises(DataError, match="There is no photo set 'forms'. Available: none."):
        start_job(*FORMS)
    assert "--check needs --set" in run_train("--name", "forms", "--check", code=2)


def test_loser_of_two_starts_leaves_the_log_of_the_winner(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of(data_folder / "photos" / "forms", 8)
    log = data_folder / "training" / ".log"
    with holder("SIG_DFL") as process, monkeypatch.context() as patch:
        log.write_text("the winner's")
        # As for two apps on one folder: each looks before either process has the lock.
        looks = iter([None])
        patch.setattr(training_job, "current_job", lambda: next(looks, Job(process.pid, "forms")))
        with pytest.raises(DataError, match="Another process is training 'forms'"):
            start_job(*FORMS)
    assert log.read_text() == "the winner's"
    assert [path.name for path in log.parent.glob(".log*")] == [".log"]


def test_photos_of_an_unfinished_run_stay_until_it_is_discarded(data_folder: Path) -> None:
    folder_of(data_folder / "photos" / "forms", 2)
    forms = photo_sets.get_photo_set("forms")
    record = new_run()
    config = TrainingConfig.create(folder=forms.folder, name="forms", run=record.number)
    run_dir = training_job.get_run_dir("forms")
    run_dir.mkdir(parents=True)
    config.save(run_dir)
    for change in (
        lambda: photo_sets.change_photos(forms, {}),
        lambda: photo_sets.delete_photo_set(forms),
        lambda: photo_sets.require_target("forms", "replace"),
    ):
        with pytest.raises(DataError, match="Continue or discard it first"):
            change()
    training_job.discard_run("forms")
    assert read_run(record.number).state == "stopped"
    photo_sets.delete_photo_set(forms)
    with pytest.raises(DataError, match="any more"):
        photo_sets.require_target("forms", "add")


def test_host_with_little_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for megabytes, is_told in (("2000", True), ("3072", False)):
        monkeypatch.setenv("LOUPE_MEMORY_MB", megabytes)
        settings.cache_clear()
        assert (f"this host gives {2000:,} MB" in training_job.find_training_obstacle()) == is_told


@pytest.mark.slow
@pytest.mark.torch
def test_photo_set_is_checked_corrected_and_trained_on_twice(data_folder: Path) -> None:
    folder = folder_of(data_folder / "photos" / "forms", 20)
    (folder / "disc" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no photo")
    (folder / "disc" / "copy.jpg").write_bytes((folder / "disc" / "3.jpg").read_bytes())
    picture("disc", 77_777).save(folder / "square" / "wrong.jpg")
    run_job(*FORMS, "--check")
    problems = {one.code: one.photos for one in photo_report.load_report("forms").problems}
    assert [photo.name for photo in problems["damaged"]] == ["disc/broken.jpg"]
    assert [photo.name for photo in problems["same"]] == ["disc/3.jpg", "disc/copy.jpg"]
    doubtful = [(photo.name, photo.suggested) for photo in problems["doubtful"]]
    assert ("square/wrong.jpg", "disc") in doubtful
    photo_sets.change_photos(photo_sets.get_photo_set("forms"), {"square/wrong.jpg": None})

    start_job(*FORMS, "--candidate", "--keep")
    wait_until(lambda: read_run(1).stages, 60)
    os.kill(current_job().pid, signal.SIGKILL)
    wait_until(lambda: current_job() is None)
    assert (read_run(1).state, read_run(1).state_now(None)) == ("running", "stopped")
    assert [config.run for config in training_job.unfinished_runs()] == [1]
    run_job("--name", "forms", "--resume")
    (old,) = list_runs()
    assert (old.number, old.state, training_job.unfinished_runs()) == (1, "done", [])
    assert old.counts == {"trained": 32, "held_out": 8, "test": 0, "labels": 2}
    assert (old.metric("accuracy").photos, len(old.photos), len(old.version)) == (40, 64, 12)

    # Without the first run, another seed would hold out other photos.
    run_job(*FORMS, "--candidate", "--keep", "--seed", "1")
    new = list_runs()[0]
    assert new.photos == old.photos
    assert Counter(stored_predictions.find_sides("forms").values()) == {False: 32, True: 8}
    assert stored_predictions.compare_runs(old, new).table.photos == 40
    table, text = (command.run("runs", *words).output for words in ([], ["--json"]))
    assert all(run.version in table for run in (old, new))
    assert [run["number"] for run in json.loads(text)] == [2, 1]


def run_job(*words: str) -> None:
    start_job(*words)
    wait_until(lambda: current_job() is None, 200)


def run_at(pace: float) -> RunRecord:
    """A finished run with 100 photos, at a pace in seconds per photo."""
    seconds = {"Reading photos": 100 * pace, "Features": 100 * pace, "Compiling": 7}
    stages = [Stage(name=name, seconds=value) for name, value in seconds.items()]
    counts = {"trained": 80, "held_out": 20, "labels": 2}
    return new_run().model_copy(update={"state": "done", "stages": stages, "counts": counts})


def test_estimate_grows_with_the_photos_and_follows_the_last_run() -> None:
    first = [training_job.estimate_seconds(photos, "lite0", []) for photos in (100, 249, 250)]
    # From 250 on, the network itself is trained.
    assert first[0] < first[1] < first[2] / 2
    for pace, seconds in ((0.5, 207), (0.1, 47)):
        assert training_job.estimate_seconds(200, "lite0", [run_at(pace)]) == pytest.approx(seconds)


def test_stages_left_shrink_as_stages_begin() -> None:
    record, runs = new_run().model_copy(update={"counts": {"trained": 200}}), [run_at(0.5)]
    assert [*training_job.stages_left(record, runs).values()] == [100, 100, 7]
    record.stages.append(Stage(name="Reading photos", seconds=30, done=50, total=200))
    assert training_job.stages_left(record, runs) == {"Features": 100, "Compiling": 7}
    assert training_job.seconds_left(record, runs) == pytest.approx(107 + 90)
    check = record.model_copy(update={"number": CHECK})
    assert training_job.stages_left(check, runs) == {"Features": 100}
