"""Finished runs in MLflow: a small package that notes its calls stands in for it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.bundle import Metric
from model.training.config import TrainingConfig
from model.training.run_record import RunRecord, create_run
from model.training.train import REQUEST_OPTIONS, log_run

PACKAGE = """
import os
from types import SimpleNamespace

assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
calls = []

class MlflowClient:
    def __getattr__(self, name):
        def call(*words, **options):
            if os.environ["MLFLOW_TRACKING_URI"] == "http://dead":
                raise ConnectionError("/home/owner")
            calls.append((name, *words, *options.items()))
            return SimpleNamespace(experiment_id="7", info=SimpleNamespace(run_id="id"))
        return call
"""


@pytest.fixture
def record(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunRecord]:
    """A finished run, while MLflow can be imported."""
    (tmp_path / "mlflow.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow")
    for name in REQUEST_OPTIONS:
        monkeypatch.setenv(name, "false")
        monkeypatch.delenv(name)
    changes = tmp_path / "changes.json"
    record = create_run(TrainingConfig.create(folder=tmp_path, name="forms", changes=changes))
    record.version, record.photos, record.counts = "0123456789ab", "f" * 64, {"trained": 80}
    record.epochs = [{"number": n, "held_out": n / 10, "loss": 1 / n} for n in (1.0, 2.0)]
    record.metrics = [
        Metric(name="accuracy", value=0.9, low=0.8, high=1, photos=20, on="photos", by="Loupe")
    ]
    record.notes = ["Photos that can't be read, skipped: 1 (disc/broken.jpg)"]
    yield record
    sys.modules.pop("mlflow", None)


def test_nothing_is_imported_unless_a_server_is_set(
    record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert log_run(record) == ""
    assert "mlflow" not in sys.modules


def test_run_is_logged_without_paths_and_names_of_photos(record: RunRecord, tmp_path: Path) -> None:
    assert log_run(record) == ""
    calls = sys.modules["mlflow"].calls
    tags = {"model": "forms", "version": "0123456789ab", "photos": "f" * 64}
    assert ("create_run", "7", ("tags", tags), ("run_name", "forms 1")) in calls
    assert ("log_param", "id", "arch", "lite0") in calls
    assert ("log_param", "id", "trained", 80) in calls
    assert ("log_metric", "id", "accuracy", 0.9) in calls
    for step in (1, 2):
        assert ("log_metric", "id", "epoch held_out", step / 10, ("step", step)) in calls
    assert calls[-1] == ("set_terminated", "id")
    assert not [word for word in (str(tmp_path), "broken") if word in str(calls)]


def test_unreachable_server_is_reported(record: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://dead")
    assert log_run(record) == "Not logged to MLflow: ConnectionError"


def test_missing_package_is_named(record: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert log_run(record) == "Not logged to MLflow: pip install mlflow-skinny"
