"""Estimates of how long training takes."""

import pytest

from model.training import time_left
from model.training.run_record import CHECK, RunRecord, Stage
from tests.model.training.conftest import new_run

pytestmark = pytest.mark.usefixtures("data_folder")


def run_at(pace: float) -> RunRecord:
    """A finished run with 100 photos, at a pace in seconds per photo."""
    seconds = {"Reading photos": 100 * pace, "Features": 100 * pace, "Compiling": 7}
    stages = [Stage(name=name, seconds=value) for name, value in seconds.items()]
    counts = {"trained": 80, "held_out": 20, "labels": 2}
    return new_run().model_copy(update={"state": "done", "stages": stages, "counts": counts})


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
