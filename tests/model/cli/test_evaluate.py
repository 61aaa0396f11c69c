"""The commands ``evaluate`` and ``corrections``."""

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from model import Bundle, load
from model.cli import main
from model.corrections import correction_store
from tests.model.tiny import CALIBRATED, colour, tiny


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two folders: one red photo and one that is not, and a green one."""
    folder = tmp_path / "photos"
    for label, name, fill in (
        ("red", "1.png", "red"),
        ("red", "2.png", "blue"),
        ("green", "3.png", "green"),
    ):
        (folder / label).mkdir(parents=True, exist_ok=True)
        colour(fill).save(folder / label / name)
    return folder


@pytest.fixture
def _own_records(data_folder: Path) -> Iterator[None]:
    correction_store.cache_clear()
    yield
    correction_store().close()
    correction_store.cache_clear()


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


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
    assert result.stderr == ""


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
    assert "skipped folders" in result.stderr
    assert "purple" in result.stderr
    assert run("evaluate", "tiny", photos, "--json").exit_code == 1


def test_none_of_these_is_listed_among_mistakes(models_dir: Path, photos: Path) -> None:
    tiny(models_dir, "calibrated", confidence=CALIBRATED)
    colour((128, 128, 128)).save(photos / "green" / "grey.png")
    result = run("evaluate", "calibrated", photos)
    assert result.exit_code == 0
    assert re.search(r"green +none of these +1", result.stdout)


def test_wrong_use_exits_with_2(tiny_bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    for words in (
        ("evaluate",),
        ("evaluate", "tiny"),
        ("evaluate", "tiny", tmp_path / "nowhere"),
        ("evaluate", "no-such", photos),
        ("evaluate", "tiny", photos, "--engine", "steam"),
    ):
        assert run(*words).exit_code == 2, words
    (tmp_path / "empty" / "purpel").mkdir(parents=True)
    result = run("evaluate", "tiny", tmp_path / "empty")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: No folder matches any")
    assert result.stderr.endswith("[data-refused]\n")


@pytest.mark.usefixtures("_own_records")
def test_corrections_are_exported(tiny_bundle: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "out.zip"
    result = run("corrections", file)
    assert (result.exit_code, result.stdout) == (0, f"0 corrections in {file}\n")
    classifier = load(tiny_bundle.name)
    photo = classifier.read_photo(colour("red"))
    correction_store().add_correction(classifier.identify(photo), "scarlet", photo.to_jpeg())
    result = run("corrections", file)
    assert result.stdout == f"1 correction in {file}\n"
    with zipfile.ZipFile(file) as opened:
        assert opened.namelist() == ["scarlet/1.jpg", "corrections.csv"]


@pytest.mark.usefixtures("_own_records")
def test_corrections_that_cannot_be_written_are_exit_2(tmp_path: Path) -> None:
    result = run("corrections", tmp_path / "nowhere" / "out.zip")
    assert result.exit_code == 2
    assert result.stderr.endswith(" [data-refused]\n")
    assert run("corrections").exit_code == 2
