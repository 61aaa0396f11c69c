"""A data folder in use, and a backup of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model.backup import back_up
from model.corrections import correction_store
from tests.model.backup.parts import said
from tests.model.tiny import CALIBRATED, tiny


@pytest.fixture
def own(data_folder: Path, shelf: Path) -> Iterator[Path]:
    """A data folder in use: two models, one with two versions, and three corrections."""
    correction_store.cache_clear()
    tiny(shelf, title="Former")
    tiny(shelf)
    tiny(shelf, "calibrated", confidence=CALIBRATED)
    said(3)
    yield data_folder
    correction_store().close()
    correction_store.cache_clear()


@pytest.fixture
def file(own: Path, tmp_path: Path) -> Path:
    """A backup of that folder, which nobody has open any more."""
    target = tmp_path / "loupe.zip"
    back_up(target)
    correction_store().close()
    return target
