"""A data folder in use, and a backup of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model.answer.share_link import KEY_FILE
from model.backup import back_up
from model.corrections import correction_store
from model.settings import settings
from tests.model.backup.helpers import add_corrections
from tests.model.tiny import CALIBRATED, tiny


@pytest.fixture
def data(data_folder: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder: two models, one with two versions, three corrections, and a key."""
    # More are saved while a backup is made than a person would save.
    monkeypatch.setenv("LOUPE_CORRECTIONS_PER_MINUTE", "1000000")
    settings.cache_clear()
    correction_store.cache_clear()
    tiny(models_dir, title="Previous")
    tiny(models_dir)
    tiny(models_dir, "calibrated", confidence=CALIBRATED)
    add_corrections("one", "two", "three")
    (data_folder / KEY_FILE).write_text("a key that signs links")
    yield data_folder
    correction_store().close()
    correction_store.cache_clear()


@pytest.fixture
def backup(data: Path, tmp_path: Path) -> Path:
    """A backup of that folder."""
    file = tmp_path / "loupe.zip"
    back_up(file)
    return file
