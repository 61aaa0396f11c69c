"""Stored predictions of runs: the comparison of two runs, and a run's mistakes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from model.calibration.graph_outputs import GraphOutputs
from model.errors import DataError
from model.training.run_record import RunRecord
from model.training.stored_predictions import StoredPredictions, compare_runs, save_predictions
from tests.model.training.conftest import new_run
from tests.model.training.pictures import LABELS

pytestmark = pytest.mark.usefixtures("data_folder")


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
