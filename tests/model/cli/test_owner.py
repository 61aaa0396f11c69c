"""The commands ``corrections list``, ``delete`` and ``export``."""

import json
import zipfile
from pathlib import Path

import pytest

from model import Classifier, Photo, Prediction
from model.corrections import correction_store
from tests.model.command import run
from tests.model.tiny import colour

JPEG = Photo.from_image(colour("red")).to_jpeg()


@pytest.fixture
def red(own_corrections: None, colours: Classifier) -> Prediction:
    """A prediction, and an empty store of corrections."""
    return colours.identify(colour("red"))


def test_corrections_are_listed_for_people_and_programs(red: Prediction) -> None:
    first = correction_store().add_correction(red, "green", JPEG, wording="form-1")
    second = correction_store().add_correction(red, "[bold]x[/bold] \x1b[31m\u00fc")
    lines = run("corrections", "list").stdout.splitlines()
    assert lines[0].split() == "id saved (UTC) model answer label photo wording".split()
    assert lines[1].split()[0] == str(first)
    assert lines[1].split()[3:] == ["tiny", "red", "green", "yes", "form-1"]
    assert "[bold]x[/bold] [31m\u00fc" in lines[2]
    listed = [json.loads(line) for line in run("corrections", "list", "--json").stdout.splitlines()]
    assert [(item["id"], item["has_photo"]) for item in listed] == [(first, True), (second, False)]
    assert " ".join(listed[0]) == (
        "id created model version engine predicted probability label known has_photo wording "
        "visit label_probability appearance review reviewed_label"
    )
    assert listed[0]["wording"].startswith("Saved for the owner of this app")


def test_deleted_corrections_and_photos_are_gone(red: Prediction) -> None:
    ids = [correction_store().add_correction(red, label, JPEG) for label in "abc"]
    result = run("corrections", "delete", ids[0], ids[2], ids[2])
    assert (result.exit_code, result.stdout) == (0, "2 corrections deleted\n")
    assert [kept.id for kept in correction_store().iter_corrections()] == [ids[1]]
    assert correction_store().get_photo(ids[0]) is None
    result = run("corrections", "delete", ids[1], 999)
    assert (result.exit_code, result.stdout) == (1, "1 correction deleted\n")
    assert result.stderr == "no correction has the id 999\n"


@pytest.mark.parametrize(
    "word", ["1; DROP TABLE corrections", "1 OR 1=1", "../1", "0", "-1", 2**31]
)
def test_invalid_ids_delete_nothing(red: Prediction, word: str | int) -> None:
    correction_store().add_correction(red, "a")
    assert run("corrections", "delete", "--", word).exit_code == 2
    assert correction_store().count() == 1


def test_export_that_is_refused_leaves_the_file_and_no_database(
    data_folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("my notes")
    assert "isn't replaced" in run("corrections", "export", file).stderr
    assert file.read_text() == "my notes"
    assert not data_folder.exists()


def test_export_replaces_a_file_if_forced(red: Prediction, tmp_path: Path) -> None:
    number = correction_store().add_correction(red, "../../scarlet", JPEG)
    (file := tmp_path / "notes.zip").touch()
    result = run("corrections", "export", "--force", file)
    assert (result.exit_code, result.stdout) == (0, f"1 correction in {file}\n")
    with zipfile.ZipFile(file) as opened:
        assert opened.namelist() == [f"_.._scarlet/{number}.jpg", "corrections.csv"]
