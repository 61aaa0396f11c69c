"""Training runs: their records, photos and comparison, the time left, and the process."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import nan
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from model.bundle import get_bundle, list_models
from model.calibration.graph_outputs import GraphOutputs
from model.errors import DataError
from model.preprocess import PreprocessConfig
from model.progress import SILENT, Progress
from model.settings import ROOT, settings
from model.storage.labelled_photos import Dataset, LabelledPhoto, discover
from model.training import (
    photo_report,
    photo_sets,
    run_record,
    stored_predictions,
    time_left,
    training_job,
)
from model.training.config import FEATURES_FILE, Hyperparameters, TrainingConfig
from model.training.data.data_report import DataReport, report_on
from model.training.data.scan import PhotoScan, scan_photos
from model.training.data.split import split_photos
from model.training.run_record import CHECK, RunRecord, RunRecorder, Stage, list_runs, read_run
from tests.model import command
from tests.model.tiny import tiny
from tests.model.training.conftest import run_train
from tests.model.training.pictures import LABELS, folder_of, picture
from tests.waiting import in_threads, wait_until

pytestmark = pytest.mark.timeout(400)
FORMS = ("--set", "forms", "--name", "forms")


@pytest.fixture(autouse=True)
def _own_data(data_folder: Path) -> Iterator[None]:
    """Runs in a data folder of this test, and no process that outlives it."""
    yield
    training_job.stop_job()


def new_run(**options: Any) -> RunRecord:
    options = {"folder": Path("photos"), "name": "forms", **options}
    return run_record.create_run(TrainingConfig.create(**options))


def test_stage_that_begins_again_adds_to_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock: Any = SimpleNamespace(monotonic=lambda: clock.now, now=0.0)
    monkeypatch.setattr(run_record, "time", clock)
    with RunRecorder(new_run()) as recorder:
        for stage, seconds in (("Features", 5), ("Compiling", 7), ("Features", 20)):
            recorder.update(stage, 0, 2)
            clock.now += seconds
    times = [(stage.name, stage.seconds) for stage in read_run(1).stages]
    assert times == [("Features", 25), ("Compiling", 7)]


def test_epoch_of_the_same_number_is_replaced_and_an_infinite_loss_left_out() -> None:
    with RunRecorder(new_run()) as recorder:
        for epoch, share in ((1, 0.5), (2, 0.6), (2, 0.7)):
            recorder.measure("epoch", {"number": epoch, "held_out": share, "loss": nan})
    assert read_run(1).epochs == [{"number": 1, "held_out": 0.5}, {"number": 2, "held_out": 0.7}]


def test_record_says_how_a_run_ended() -> None:
    for error, *end in (
        (KeyboardInterrupt(), "stopped", ""),
        (DataError("Add photos."), "failed", "Add photos."),
        (OSError(28, "No space left", "/home/x"), "failed", "No space left."),
        (OSError("/home/x"), "failed", "An unexpected error: OSError."),
        (ValueError("/home/x"), "failed", "An unexpected error: ValueError."),
    ):
        record = new_run()
        assert [record.state_now(model) for model in ("forms", "x")] == ["running", "stopped"]
        with suppress(type(error)), RunRecorder(record):
            raise error
        record = read_run(record.number)
        assert [record.state, record.error] == end


def test_record_holds_no_path(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("folder", "also", "changes", "models_dir")}
    record = new_run(**folders, unknown=(tmp_path / "noise",))
    assert str(tmp_path) not in (record.folder / run_record.RECORD_FILE).read_text()


def test_numbers_count_up_and_damaged_records_and_checks_are_not_listed() -> None:
    first, second = new_run(), new_run()
    check = first.model_copy(update={"number": CHECK})
    check.folder.mkdir()
    check.save()
    (second.folder / run_record.RECORD_FILE).write_text("{}")
    assert list_runs() == [first]
    assert (second.number, new_run().number) == (2, 3)


def dataset_of(folders: list[str], count: int) -> tuple[Dataset, DataReport]:
    """Photos that don't look alike; their files don't exist."""
    names = [f"{folder}/{number}.jpg" for folder in folders for number in range(count)]
    photos = [LabelledPhoto(Path(name), name, name.split("/")[0], None) for name in names]
    hashes = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    pairs = zip(names, hashes, strict=True)
    scans = [PhotoScan(name, sha256=key, hash=key, copy="x") for name, key in pairs]
    dataset = Dataset(LABELS, tuple(photos))
    return dataset, report_on(dataset, scans)


@pytest.mark.parametrize(("added", "new"), [(2, 0), (4, 2), (40, 16)])
def test_held_out_photos_stay_held_out_and_new_photos_are_split(added: int, new: int) -> None:
    sides = {photo.name: photo.name[-5] in "36" for photo in dataset_of([*LABELS], 10)[0].photos}
    split = split_photos(*dataset_of([*LABELS], 10 + added), sides=sides)
    held_out = {photo.name for photo in split.held_out}
    assert held_out & sides.keys() == {name for name, is_held_out in sides.items() if is_held_out}
    assert len(held_out - sides.keys()) == new


def test_near_duplicates_of_a_trained_photo_are_trained() -> None:
    dataset, report = dataset_of([*LABELS], 10)
    alike = {"disc/1.jpg": False, "disc/3.jpg": True, "disc/5.jpg": None}
    report.groups.update(dict.fromkeys(alike, report.groups["disc/1.jpg"]))
    sides = {photo.name: photo.name[-5] in "36" for photo in dataset.photos} | alike
    del sides["disc/5.jpg"]
    held_out = {photo.name for photo in split_photos(dataset, report, sides=sides).held_out}
    assert held_out == {"disc/6.jpg", "square/3.jpg", "square/6.jpg"}


def test_recordings_stay_together_however_few() -> None:
    folders = [f"{label}/recording-{number}" for label in LABELS for number in (1, 2)]
    dataset, report = dataset_of(folders, 4)
    together = {(name.rpartition("/")[0], group) for name, group in report.groups.items()}
    assert len({group for _, group in together}) == len(together) == 4
    held_out = split_photos(dataset, report).held_out
    counts = Counter(photo.name.rpartition("/")[0] for photo in held_out)
    assert [(folder.split("/")[0], count) for folder, count in counts.items()] == [
        *(("disc", 4), ("square", 4))
    ]


def test_copies_are_written_anew_for_another_size(tmp_path: Path) -> None:
    photos = discover(folder_of(tmp_path / "photos", 2)).photos
    small, large = (PreprocessConfig(resize=(side, side)) for side in (16, 64))
    scan_photos(photos, tmp_path / "both", small)
    folders = tmp_path / "both", tmp_path / "alone"
    first, second = (
        (folder / scan_photos(photos, folder, large)[0].copy).read_bytes() for folder in folders
    )
    assert first == second


@pytest.mark.torch
def test_cached_features_of_another_network_are_ignored(tmp_path: Path) -> None:
    run = prepared(folder_of(tmp_path / "photos", 3), tmp_path)
    np.savez(tmp_path / FEATURES_FILE, keys=["resnet18-photo-x"], features=np.ones((1, 512)))
    run.compute_features()
    assert [features.shape[1] for features in run.load_features()] == [1280, 1280]


@pytest.mark.torch
def test_search_without_photos_that_differ_uses_the_defaults(tmp_path: Path) -> None:
    from model.training.search import search_hyperparameters

    for label in LABELS:
        for number in (1, 2):
            folder_of(tmp_path / "photos", 4, 9 * number, (f"{label}/recording-{number}",))
    run = prepared(tmp_path / "photos", tmp_path)
    assert search_hyperparameters(run) == Hyperparameters()


def prepared(folder: Path, run_dir: Path) -> Any:
    from model.training.training_run import TrainingRun

    config = TrainingConfig.create(folder=folder, name="forms", image_size=32, search=0.01)
    return TrainingRun.prepare(config, run_dir, SILENT)


@pytest.mark.torch
@pytest.mark.parametrize("wrong", [[], [3, 25, 50]])
def test_only_planted_wrong_labels_are_doubtful(wrong: list[int]) -> None:
    right = np.repeat([0, 1, 2], 20)
    features = np.random.default_rng(0).normal(3 * np.eye(8)[right], 0.1).astype(np.float32)
    given = right.copy()
    given[wrong] = (given[wrong] + 1) % 3
    doubtful = photo_report.find_doubtful_labels(features, given, np.arange(60))
    assert sorted(doubtful) == [(place, right[place]) for place in wrong]
    # Too few photos, or too few that differ.
    few = features[:8], given[:8], np.arange(8) // 4
    assert photo_report.find_doubtful_labels(*few) == []


def run_with(
    answers: str, photos: str, targets: str, labels: tuple[str, ...] = LABELS
) -> RunRecord:
    """A run that called photos "0" or "1", later photos with higher confidence."""
    record, hashes = new_run(), [photo * 64 for photo in photos]
    logits = np.array([np.eye(2)[int(one)] * (2 + n) for n, one in enumerate(answers)], np.float32)
    names = tuple(f"{photo}.jpg" for photo in photos)
    outputs = GraphOutputs(logits, logits, np.array([*map(int, targets)]), names)
    accepted = np.ones(len(photos), bool)
    options: Any = {"sides": ((), hashes), "temperature": 1.0, "accepted": accepted}
    stored_predictions.save_predictions(record, outputs, hashes, labels, **options)
    return record


def test_runs_are_compared_on_the_photos_of_both() -> None:
    # Only one run has a and g, and f was relabelled.
    old, new = run_with("000011", "abcdef", "000111"), run_with("10110", "fcdeg", "00111")
    figures = stored_predictions.compare_runs(old, new)
    table = figures.table
    counts = table.both_right, table.only_old, table.only_new, table.both_wrong
    assert counts == (2, 0, 1, 0)
    assert [photo.photo for photo in figures.changed] == ["d.jpg"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            ("01", "ab", "01", ("disc", "star")),
            "the labels square and star|the labels square, star",
        ),
        (("01", "cd", "01"), "not measured on any of the same photos"),
        (("01", "ab", "10"), "not measured on any of the same photos"),
        ((), "Run 2 has no stored predictions"),
    ],
)
def test_runs_without_common_photos_or_labels_are_not_compared(other: Any, message: str) -> None:
    old = run_with("01", "ab", "01")
    new = run_with(*other) if other else new_run()
    with pytest.raises(DataError, match=message):
        stored_predictions.compare_runs(old, new)


def test_mistakes_have_the_worst_first() -> None:
    stored = stored_predictions.StoredPredictions.load(run_with("101100", "abcdef", "000111"))
    worst, *_, least = stored.mistakes
    assert [one.photo for one in stored.mistakes] == ["f.jpg", "e.jpg", "c.jpg", "a.jpg"]
    assert (worst.label, worst.called, least.called) == ("square", "disc", "square")


def run_at(pace: float) -> RunRecord:
    """A finished run with 100 photos, at a pace in seconds per photo."""
    seconds = {"Reading photos": 100 * pace, "Features": 100 * pace, "Compiling": 7}
    stages = [Stage(name=name, seconds=value) for name, value in seconds.items()]
    counts = {"trained": 80, "held_out": 20, "labels": 2}
    return new_run().model_copy(update={"state": "done", "stages": stages, "counts": counts})


def test_first_version_is_not_listed_before_publication(data_folder: Path) -> None:
    record = new_run().model_copy(update={"model": "tiny", "state": "done"})
    bundle = tiny(record.models_dir)
    record.version = bundle.version
    assert "tiny" not in list_models()
    opened = record.open_bundle()
    assert opened is not None
    assert opened.version == bundle.version
    record.move_bundle()
    assert (get_bundle("tiny").version, record.models_dir.exists()) == (bundle.version, False)
    # A second one that was trained before that stays beside it.
    second = record.model_copy(update={"number": 2})
    second.version = tiny(second.models_dir, corner=True).version
    second.move_bundle()
    assert get_bundle("tiny").version == bundle.version
    opened = second.open_bundle()
    assert opened is not None
    assert opened.version == second.version


def test_estimate_grows_with_the_photos_and_follows_the_last_run() -> None:
    first = [time_left.estimate_seconds(photos, "lite0", []) for photos in (100, 249, 250)]
    # From 250 on, the network itself is trained.
    assert first[0] < first[1] < first[2] / 2
    for pace, seconds in ((0.5, 207), (0.1, 47)):
        assert time_left.estimate_seconds(200, "lite0", [run_at(pace)]) == pytest.approx(seconds)


def test_stages_left_shrink_as_stages_begin() -> None:
    record, runs = new_run().model_copy(update={"counts": {"trained": 200}}), [run_at(0.5)]
    assert [*time_left.stages_left(record, runs).values()] == [100, 100, 7]
    record.stages.append(Stage(name="Reading photos", seconds=30, done=50, total=200))
    assert time_left.stages_left(record, runs) == {"Features": 100, "Compiling": 7}
    assert time_left.seconds_left(record, runs) == pytest.approx(107 + 90)
    check = record.model_copy(update={"number": CHECK})
    assert time_left.stages_left(check, runs) == {"Features": 100}


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
        assert training_job.current_job() == training_job.Job(process.pid, "forms")
        with (
            pytest.raises(DataError, match="training 'forms'. Wait"),
            training_job.training_lock("x"),
        ):
            pass
        with pytest.raises(DataError, match="Another training run is in progress"):
            training_job.start_job("--name", "x")
        process.kill()
        process.wait()
        assert training_job.current_job() is None
        with training_job.training_lock("x"):
            assert training_job.current_job() == training_job.Job(os.getpid(), "x")


def test_concurrent_calls_never_return_an_ended_job() -> None:
    seen: list[object] = []
    with training_job.training_lock("forms"):
        pass
    looks = [lambda: seen.extend(training_job.current_job() for _ in range(100))] * 4
    with in_threads(Event(), *looks):
        pass
    assert seen == [None] * 400


@pytest.mark.slow
@pytest.mark.parametrize(("handler", "seconds"), [("default_int_handler", 1), ("SIG_IGN", 5.5)])
def test_job_is_stopped_in_time(handler: str, seconds: float) -> None:
    with holder(handler) as process:
        began = time.monotonic()
        training_job.stop_job()
        assert time.monotonic() - began < seconds
        ended_by = signal.SIGKILL if handler == "SIG_IGN" else signal.SIGINT
        assert (training_job.current_job(), process.wait()) == (None, -ended_by)


def test_job_that_does_not_begin_says_why() -> None:
    with pytest.raises(DataError, match="There is no photo set 'forms'. Available: none."):
        training_job.start_job(*FORMS)
    assert "--check needs --set" in run_train("--name", "forms", "--check", code=2)


def test_host_with_little_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for megabytes, is_told in (("2000", True), ("3072", False)):
        monkeypatch.setenv("LOUPE_MEMORY_MB", megabytes)
        settings.cache_clear()
        assert (f"this host gives {2000:,} MB" in training_job.find_training_obstacle()) == is_told


class FullDisk(Progress):
    """Progress whose own file is on a full disk once features are computed."""

    def update(self, stage: str, done: int, total: int) -> None:
        if stage == "Features":
            with Path("/dev/full").open("wb", buffering=0) as file:
                file.write(b"x")


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, as Linux has")
def test_run_that_filled_the_disk_says_so_and_is_resumed(tmp_path: Path) -> None:
    from model.training.train import train

    folder = folder_of(tmp_path / "photos", 10)
    config = TrainingConfig.create(folder=folder, name="forms", image_size=64, epochs=0)
    with pytest.raises(OSError, match="No space left"):
        train(config, progress=FullDisk())
    assert (read_run(1).state, read_run(1).error) == ("failed", "No space left on device.")
    version = train(config, resume=True).version
    ends = [(run.number, run.state, run.error, run.version) for run in list_runs()]
    assert ends == [(1, "done", "", version)]


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
    photo_sets.change_photos(photo_sets.get_photo_set("forms"), ["square/wrong.jpg"], None)

    training_job.start_job(*FORMS, "--candidate", "--keep")
    wait_until(lambda: read_run(1).stages, 60)
    pid = training_job.current_job().pid
    os.kill(pid, signal.SIGSTOP)  # so that it doesn't end before it is killed
    assert "Another process is training 'forms'. Wait" in run_train(*FORMS, code=2)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: training_job.current_job() is None)
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
    training_job.start_job(*words)
    wait_until(lambda: training_job.current_job() is None, 200)
