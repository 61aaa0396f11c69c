"""``train``: its configuration, refused options and folders, one run of a name, the time limit."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from model.bundle import get_bundle
from model.training import train as training
from model.training.config import Hyperparameters, TrainingConfig
from model.training.run_record import list_runs
from model.training.training_job import current_job, get_run_dir, training_lock
from tests.model.tiny import tiny
from tests.model.training.conftest import QUICK, run_train

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--name", "forms"], "Name the FOLDER"),
        (["--name", "forms", "--resume"], "no unfinished training run of 'forms'"),
        (["--name", "forms", "--resume", "--epochs", "9"], "add only --name and --minutes"),
        (["{photos}", "--name", "forms", "--resume"], "add only --name and --minutes"),
        (["{photos}", "--name", "../forms"], "name: "),
        (["{photos}", "--name", "My Flowers"], "my-flowers"),
        (["{photos}", "--name", "forms", "--search", "9", "--minutes", "5"], "leaves no time"),
        (["{photos}", "--name", "forms", "--unknown", "{photos}/train/disc"], "at least 50"),
        (["{photos}", "--name", "forms", "--arch", "lite9"], "timm has no network 'lite9'"),
        (["{photos}", "--name", "forms", "--size", "7"], "size: "),
        (["{photos}", "--name", "forms", "--to", "{photos}/train/disc/0.jpg/models"], "0.jpg"),
        (["{photos}/train/disc", "--name", "forms"], "photos for no labels"),
    ],
)
def test_refused_training_says_why_and_leaves_nothing_behind(
    words: list[str], message: str, photos: Path, data_folder: Path
) -> None:
    output = run_train(*[word.format(photos=photos) for word in words], code=2)
    assert message in output
    assert "Traceback" not in output
    assert not (data_folder / "training" / "forms").exists()


def test_second_run_of_a_name_is_refused_without_touching_the_first(
    photos: Path, data_folder: Path
) -> None:
    run_dir = data_folder / "training" / "forms"
    run_dir.mkdir(parents=True)
    (run_dir / "plan.json").write_text("{}")
    with training_lock("forms"):
        output = run_train(photos, "--name", "forms", *QUICK, code=2)
    assert "Another process is training 'forms'. Wait" in output
    assert "Add --resume" in run_train(photos, "--name", "forms", *QUICK, code=2)
    assert (run_dir / "plan.json").read_text() == "{}"


def test_run_folder_is_removed_while_the_lock_is_held(
    photos: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = shutil.rmtree

    def checked(folder: Path, **options: Any) -> None:
        if folder == get_run_dir("forms"):
            assert current_job()
        remove(folder, **options)

    monkeypatch.setattr(training, "_train", lambda *_: tiny(data_folder / "models", "forms"))
    monkeypatch.setattr(shutil, "rmtree", checked)
    training.train(TrainingConfig.create(folder=photos, name="forms"))
    assert not get_run_dir("forms").exists()
    assert current_job() is None


@pytest.mark.slow
def test_run_keeps_to_its_minutes(photos: Path, data_folder: Path) -> None:
    run_train(photos, "--name", "forms", "--size", "64", "--epochs", "500", "--minutes", "0.25")
    assert len(list_runs()[0].epochs) < 500
    assert get_bundle("forms").manifest.metric("accuracy")


def test_saved_config_loads_unchanged(tmp_path: Path) -> None:
    config = TrainingConfig.create(
        folder=tmp_path, name="forms", size=64, minutes=20, models_dir=tmp_path / "models"
    )
    config = config.model_copy(update={"hyperparameters": Hyperparameters(lr=4e-4, magnitude=3)})
    assert TrainingConfig.load(tmp_path) is None
    config.save(tmp_path)
    assert TrainingConfig.load(tmp_path) == config
    assert config.image_size == 64


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = TrainingConfig.create(folder=Path("photos"), name="forms", unknown=(Path("noise"),))
    assert config.folder == tmp_path / "photos"
    assert config.unknown == {"other photos": tmp_path / "noise"}
