"""Photos to train on, records of runs, and the command line."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from model.training.config import TrainingConfig
from model.training.run_record import RunRecord, create_run
from tests.model.command import output_of
from tests.model.training.pictures import parted

QUICK = ("--size", "64", "--epochs", "1")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return parted(tmp_path_factory.mktemp("photos"))


def new_run(**options: Any) -> RunRecord:
    options = {"folder": Path("photos"), "name": "forms", **options}
    return create_run(TrainingConfig.create(**options))


run_train = partial(output_of, "train")
