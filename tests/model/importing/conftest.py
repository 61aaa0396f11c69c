"""Pictures and sandbox folders, for tests of imports."""

import tempfile
from pathlib import Path

import pytest

from model.settings import settings
from tests.model.importing.learners import pictures


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a few pictures of cats and dogs; tests only read it."""
    return pictures(tmp_path_factory.mktemp("two-labels") / "photos")


@pytest.fixture(scope="session")
def three_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a few pictures of cats, dogs and owls; tests only read it."""
    return pictures(tmp_path_factory.mktemp("three-labels") / "photos", ("cat", "dog", "owl"))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the sandbox folders."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    # Tests share their cores: two threads that wait for each other take ten times as long.
    monkeypatch.setenv("LOUPE_THREADS", "1")
    settings.cache_clear()
    return folder
