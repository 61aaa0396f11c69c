"""Folders of photos for ``calibrate``."""

from pathlib import Path

import pytest

from tests.model.calibration.shades import shades
from tests.model.tiny import colour


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return shades(tmp_path / "held out")


@pytest.fixture
def greys(tmp_path: Path) -> Path:
    folder = tmp_path / "greys"
    folder.mkdir()
    for place in range(60):
        colour((90 + place, 100 + place, 95 + place)).save(folder / f"{place}.png")
    return folder
