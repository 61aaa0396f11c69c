"""Photos to train on, records of runs, and the command line."""

from pathlib import Path
from typing import Any

import pytest

from model.training.config import TrainingConfig
from model.training.run_record import RunRecord, create_run
from tests.model import command
from tests.model.training.pictures import parted

QUICK = ("--size", "64", "--epochs", "1")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return parted(tmp_path_factory.mktemp("photos"))


def new_run(**options: Any) -> RunRecord:
    options = {"folder": Path("photos"), "name": "forms", **options}
    return create_run(TrainingConfig.create(**options))


def run_train(*words: object, code: int = 0) -> str:
    """Run ``train``, which must end with the exit status ``code``; return what it printed."""
    result = command.run("train", *words)
    assert result.exit_code == code, result.output
    return result.output
