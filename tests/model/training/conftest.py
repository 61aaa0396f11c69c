"""Photos to train on, and the command line."""

from pathlib import Path

import pytest

from tests.model import command
from tests.model.training.pictures import parted

QUICK = ("--size", "64", "--epochs", "1")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return parted(tmp_path_factory.mktemp("photos"))


def run(*words: object) -> tuple[int, str]:
    """Return the exit status of a command and what it printed."""
    result = command.run(*words)
    return result.exit_code, result.output
