"""The commands ``evaluate`` and ``compare``."""

import json
import re
from pathlib import Path

import pytest

from model import Bundle
from tests.model.command import run
from tests.model.tiny import CALIBRATED, COLOURS, colour, tiny


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
    values = json.loads(run("evaluate", "tiny", photos, "--json", "--engine", "compiled").stdout)
    assert (values["accuracy"]["right"], values["version"]) == (2, tiny_bundle.version)
    # An older bundle, or an imported model.
    assert result.stderr.startswith("The model doesn't record its training photos")


def test_unreadable_photo_exits_with_1(tiny_bundle: Bundle, photos: Path) -> None:
    (photos / "red" / "bad.jpg").write_bytes(b"no photo")
    (photos / "purple").mkdir()
    result = run("evaluate", "tiny", photos)
    assert result.exit_code == 1
    assert "bad.jpg" in result.stderr
    assert "(unsupported-format)" in result.stderr
    assert "No label is called purple: check the names of these folders." in result.stderr
    as_json = run("evaluate", "tiny", photos, "--json")
    values = json.loads(as_json.stdout)
    assert as_json.exit_code == 1
    assert (values["refused"][0]["code"], values["left_out"]) == ("unsupported-format", ["purple"])
    assert values["photos_per_second"] > 0


def test_none_of_these_is_listed_among_mistakes(models_dir: Path, photos: Path) -> None:
    tiny(models_dir, "calibrated", confidence=CALIBRATED)
    colour((128, 128, 128)).save(photos / "green" / "grey.png")
    result = run("evaluate", "calibrated", photos)
    assert result.exit_code == 0
    assert re.search(r"green +none of these +1", result.stdout)


def test_words_tables_and_json_show_the_change(models_dir: Path, tmp_path: Path) -> None:
    old = f"tiny@{tiny(models_dir).version}"
    tiny(models_dir, corner=True)  # the current version sees the upper left corner alone
    photos = ("red", "red", "red"), ("red", "blue", "red"), ("green", "green", "white")
    for label, fill, corner in photos:
        image = colour(fill)
        image.paste(COLOURS[corner], (0, 0, 24, 24))
        (tmp_path / label).mkdir(exist_ok=True)
        image.save(tmp_path / label / f"{fill}.png")
    result = run("compare", old, "tiny", tmp_path)
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "The new one needs a second look before it replaces the old"
    words = "right on as many of the same 3 photos: +0.0 points (95% CI −"
    assert lines[2].startswith(f"The new one is {words}")
    assert {"old right 1 1", "old wrong 1 0", "green 1 1 0 -1", "red 2 1 2 +1"} <= {*lines}
    changed = lines[lines.index("changed photo actual old new") + 1 :]
    assert changed == ["green/green.png green green white", "red/blue.png red blue red"]

    (tmp_path / "red" / "bad.jpg").write_bytes(b"no photo")
    result = run("compare", old, "tiny", tmp_path, "--json")
    assert result.exit_code == 1
    assert "red/bad.jpg: " in result.stderr
    values = json.loads(result.stdout)
    assert values["old"]["refused"] == values["new"]["refused"] != []
    assert (values["table"]["only_new"], values["labels"]["green"]["net"]) == (1, -1)
    assert (values["verdict"]["may_replace"], len(values["changed"])) == (False, 2)


def test_unfit_models_and_folders_exit_with_2(models_dir: Path, tmp_path: Path) -> None:
    tiny(models_dir)
    tiny(models_dir, "other", labels=["rot", *list(COLOURS)[1:]])
    (tmp_path / "photos" / "red").mkdir(parents=True)
    for old, new, message in (
        ("tiny", "other", "Only one model has the labels red, rot."),
        ("tiny@123", "tiny", "tiny has no version '123'. Available: "),
        ("tiny", "nope", "No model named 'nope'."),
        ("tiny", "tiny", "No photos found"),
    ):
        result = run("compare", old, new, tmp_path / "photos")
        assert result.exit_code == 2
        assert result.stderr.startswith(f"Error: {message}")
