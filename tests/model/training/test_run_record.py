"""Records of training runs, and their stored predictions."""

from collections.abc import Sequence
from contextlib import suppress
from math import nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from model.bundle import get_bundle, list_models
from model.calibration.graph_outputs import GraphOutputs
from model.errors import BundleError, DataError
from model.model_store.publications import make_current
from model.training import run_record
from model.training.run_record import CHECK, RunRecord, RunRecorder, list_runs, read_run
from model.training.stored_predictions import StoredPredictions, compare_runs, save_predictions
from tests.model.tiny import tiny
from tests.model.training.conftest import new_run
from tests.model.training.pictures import LABELS

pytestmark = pytest.mark.usefixtures("data_folder")


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


def test_first_version_is_not_listed_before_publication() -> None:
    record = new_run().model_copy(update={"model": "tiny", "state": "done"})
    version = record.version = tiny(record.models_dir).version
    assert "tiny" not in list_models()
    bundle = record.open_bundle()
    assert bundle.version == version
    graph = bundle.folder / "graph.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1] + b"x")
    with pytest.raises(BundleError):
        make_current(bundle, record.move_bundle)
    assert "tiny" not in list_models()
    graph.write_bytes(whole)
    make_current(bundle, record.move_bundle)
    assert (get_bundle("tiny").version, record.models_dir.exists()) == (version, False)
    # A second one that was trained before that stays beside it.
    second = record.model_copy(update={"number": 2})
    second.version = tiny(second.models_dir, corner=True).version
    second.move_bundle()
    assert get_bundle("tiny").version == version
    assert second.open_bundle().version == second.version


def run_with(answers: str, photos: str, targets: str, labels: Sequence[str] = LABELS) -> RunRecord:
    """A run that called photos "0" or "1", later photos with higher confidence."""
    record, hashes = new_run(), [photo * 64 for photo in photos]
    logits = np.array([np.eye(2)[int(one)] * (2 + n) for n, one in enumerate(answers)], np.float32)
    names = tuple(f"{photo}.jpg" for photo in photos)
    outputs = GraphOutputs(logits, logits, np.array([*map(int, targets)]), names)
    accepted = np.ones(len(photos), bool)
    options: Any = {"sides": ((), hashes), "temperature": 1.0, "accepted": accepted}
    save_predictions(record, outputs, hashes, labels, **options)
    return record


def test_runs_are_compared_on_the_photos_of_both() -> None:
    # Only one run has a and g, and f was relabelled.
    old, new = run_with("000011", "abcdef", "000111"), run_with("10110", "fcdeg", "00111")
    figures = compare_runs(old, new)
    table = figures.table
    counts = table.both_right, table.only_old, table.only_new, table.both_wrong
    assert counts == (2, 0, 1, 0)
    assert [photo.photo for photo in figures.changed] == ["d.jpg"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (("01", "ab", "01", ("disc", "star")), "the labels square(,| and) star"),
        (("01", "cd", "01"), "not measured on any of the same photos"),
        (("01", "ab", "10"), "not measured on any of the same photos"),
        ((), "Run 2 has no stored predictions"),
    ],
)
def test_runs_without_common_photos_or_labels_are_not_compared(other: Any, message: str) -> None:
    old = run_with("01", "ab", "01")
    new = run_with(*other) if other else new_run()
    with pytest.raises(DataError, match=message):
        compare_runs(old, new)


def test_mistakes_have_the_worst_first() -> None:
    stored = StoredPredictions.load(run_with("101100", "abcdef", "000111"))
    worst, *_, least = stored.mistakes
    assert [one.photo for one in stored.mistakes] == ["f.jpg", "e.jpg", "c.jpg", "a.jpg"]
    assert (worst.label, worst.called, least.called) == ("square", "disc", "square")
