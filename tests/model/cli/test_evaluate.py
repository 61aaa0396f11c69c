"""The command ``evaluate``."""

import json
import re
from pathlib import Path

import pytest

from model import Bundle
from tests.model.command import run
from tests.model.tiny import CALIBRATED, colour, tiny


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two folders: a red and a blue photo labelled red, and a green photo."""
    folder = tmp_path / "photos"
    for label, name, fill in (
        ("red", "1.png", "red"),
        ("red", "2.png", "blue"),
        ("green", "3.png", "green"),
    ):
        (folder / label).mkdir(parents=True, exist_ok=True)
        colour(fill).save(folder / label / name)
    return folder


def test_tables_show_the_figures(tiny_bundle: Bundle, photos: Path) -> None:
    result = run("evaluate", "tiny", photos)
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert f"model tiny {tiny_bundle.version}, compiled" in lines
    assert "accuracy 66.7% (20.8–93.9%)" in lines
    labels = lines[lines.index("label, worst first photos recall (95% CI) precision F1") + 1 :]
    assert labels[0].startswith("red 2 50.0%")
    assert labels[1].startswith("green 1 100.0%")
    assert "red blue 1" in lines
    # An older bundle, or an imported model.
    assert result.stderr.startswith("The model doesn't record its training photos")


def test_json_option_prints_one_object(tiny_bundle: Bundle, photos: Path) -> None:
    result = run("evaluate", "tiny", photos, "--json", "--engine", "compiled")
    assert result.exit_code == 0
    values = json.loads(result.stdout)
    assert values["accuracy"]["right"] == 2
    assert values["version"] == tiny_bundle.version


def test_unreadable_photo_exits_with_1(tiny_bundle: Bundle, photos: Path) -> None:
    (photos / "red" / "bad.jpg").write_bytes(b"no photo")
    (photos / "purple").mkdir()
    result = run("evaluate", "tiny", photos)
    assert result.exit_code == 1
    assert "bad.jpg" in result.stderr
    assert "(unsupported-format)" in result.stderr
    assert "No label is called purple: check the names of these folders." in result.stderr
    assert run("evaluate", "tiny", photos, "--json").exit_code == 1


def test_none_of_these_is_listed_among_mistakes(models_dir: Path, photos: Path) -> None:
    tiny(models_dir, "calibrated", confidence=CALIBRATED)
    colour((128, 128, 128)).save(photos / "green" / "grey.png")
    result = run("evaluate", "calibrated", photos)
    assert result.exit_code == 0
    assert re.search(r"green +none of these +1", result.stdout)


def test_folder_without_a_known_label_exits_with_2(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "empty" / "purpel").mkdir(parents=True)
    result = run("evaluate", "tiny", tmp_path / "empty")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: No folder matches any")
    assert result.stderr.endswith("[data-refused]\n")
