"""The configuration of a training run: saved, loaded and checked."""

from pathlib import Path

import pytest

from model.training.config import Hyperparameters, TrainingConfig


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
