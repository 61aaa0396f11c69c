"""Photos to train on, and the command line."""

from pathlib import Path

import pytest

from tests.model import command
from tests.model.training.pictures import parted

QUICK = ("--size", "64", "--epochs", "1")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return parted(tmp_path_factory.mktemp("photos"))


def run_train(*words: object, code: int = 0) -> str:
    """Run ``train``, which must end with the exit status ``code``; return what it printed."""
    result = command.run("train", *words)
    assert result.exit_code == code, result.output
    return result.output
