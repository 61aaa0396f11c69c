"""The command ``identify``: its output, its exit codes, and archives in their environment."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from model import Bundle
from model.cli import identify
from model.settings import ROOT
from tests.model.command import run
from tests.model.tiny import COLOURS, colour, tiny
from tests.photos import encoded

KEYS = "photo model version engine answer candidates known novelty plausible milliseconds".split()


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def photos(tmp_path: Path, tiny_bundle: Bundle) -> Path:
    """A folder with a photo of each colour, and a file that is not a photo."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in COLOURS:
        place = folder / "more" if name == "blue" else folder
        (place / f"{name}.png").write_bytes(encoded(colour(name), "PNG"))
    (folder / "notes.txt").write_text("not a photo, and not asked")
    return folder


def test_identify_prints_one_json_object_per_photo(photos: Path, tiny_bundle: Bundle) -> None:
    path = photos / "red.png"
    result = run("identify", "--model", "tiny", "--json", path)
    assert result.exit_code == 0
    (line,) = lines(result)
    assert list(line) == KEYS
    assert line["photo"] == str(path)
    assert line["model"] == "tiny"
    assert line["version"] == tiny_bundle.version
    assert line["engine"] == "compiled"
    assert line["answer"] == "red"
    assert [list(one) for one in line["candidates"]] == [["label", "probability"]] * 5
    assert line["candidates"][0]["label"] == "red"
    chances = [one["probability"] for one in line["candidates"]]
    assert chances == sorted(chances, reverse=True)
    assert (line["known"], line["novelty"], line["plausible"]) == (None, None, None)
    assert list(line["milliseconds"]) == ["decode", "preprocess", "engine", "total"]
    assert all(isinstance(ms, int | float) and ms >= 0 for ms in line["milliseconds"].values())


def test_table_shows_the_labels_that_reach_the_threshold(photos: Path, models_dir: Path) -> None:
    for name, threshold in (("low", 0.01), ("high", 0.999)):
        tiny(models_dir, name, multilabel=True, threshold=threshold)
        command = ("identify", "--model", name, photos / "red.png")
        (line,) = lines(run(*command, "--json"))
        printed = run(*command, "--top", 1).stdout
        head = ", ".join(line["answer"]) or "none of its labels; closest"
        assert f"  {head}:" in printed.splitlines()
        rows = [row for row in printed.splitlines() if "%" in row]
        assert len(rows) == max(1, len(line["answer"]))
        assert "best guess" not in printed


def test_folder_means_its_photos(photos: Path) -> None:
    result = run("identify", "--model", "tiny", "--json", photos)
    assert result.exit_code == 0
    answers = [(Path(line["photo"]).relative_to(photos), line["answer"]) for line in lines(result)]
    assert answers == [
        (Path("black.png"), "black"),
        (Path("green.png"), "green"),
        (Path("red.png"), "red"),
        (Path("white.png"), "white"),
        (Path("yellow.png"), "yellow"),
        (Path("more/blue.png"), "blue"),
    ]


def test_standard_input_is_a_photo(photos: Path) -> None:
    data = (photos / "green.png").read_bytes()
    result = run("identify", "--model", "tiny", "--json", "-", stdin=data)
    (line,) = lines(result)
    assert (line["photo"], line["answer"]) == ("-", "green")


def test_rejected_photo_is_a_line_and_exit_1(photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(encoded(colour("red"))[:200])
    (photos / "empty.png").touch()
    missing = photos / "missing.jpg"
    result = run("identify", "--model", "tiny", "--json", photos, missing)
    assert result.exit_code == 1
    printed = lines(result)
    errors = {Path(line["photo"]).name: line["error"] for line in printed if "error" in line}
    assert len(printed) == 9
    for line in printed:
        assert list(line) in (KEYS, ["photo", "error"])
    assert set(errors) == {"broken.jpg", "empty.png", "missing.jpg"}
    assert all(list(error) == ["code", "message"] for error in errors.values())
    assert errors["broken.jpg"]["code"] == "damaged"
    assert errors["empty.png"]["code"] == "empty"
    assert errors["missing.jpg"]["message"] == f"There is no file {missing}. Check its name."


def test_output_without_json_is_a_table(photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"no photo")
    result = run("identify", "--model", "tiny", photos / "red.png", photos / "broken.jpg")
    assert result.exit_code == 1
    assert re.search(r"99\.9%\s+red", result.stdout)
    assert "couldn't be read (unsupported-format)" in result.stdout
    assert result.stderr == "2 photos: 1 answered, 1 couldn't be read.\n"


@pytest.mark.parametrize(
    "name", ["[bold]x.png", "a [red].png", "ü.png", "-dash.png", "new\nline.png"]
)
def test_file_names_are_printed_unchanged(photos: Path, name: str) -> None:
    path = photos / name
    path.write_bytes(encoded(colour("red"), "PNG"))
    (line,) = lines(run("identify", "--model", "tiny", "--json", path))
    assert line["photo"] == str(path)
    table = run("identify", "--model", "tiny", path).stdout
    # A long path is wrapped, also at a space.
    assert "".join(name.split()) in "".join(table.split())


def test_folder_without_photos_is_a_usage_error(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    result = run("identify", "--model", "tiny", tmp_path / "nothing")
    assert result.exit_code == 2
    assert "No photos found in the given paths" in result.stderr


def test_ctrl_c_prints_a_summary_and_exits_with_130(photos: Path) -> None:
    # The command blocks at its second photo, a pipe without a writer.
    pipe = photos / "pipe.jpg"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "model", "identify", "--model", "tiny", "--json"]
    with subprocess.Popen(
        [*command, photos / "red.png", pipe],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["answer"] == "red"
        process.send_signal(signal.SIGINT)
        pipe.write_bytes(b"")
        _, stderr = process.communicate(timeout=30)
    assert stderr == "2 photos: 1 answered, 1 not reached.\nStopped.\n"
    assert process.returncode == 130


def test_archives_need_their_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[Path, list[str], dict[str, str]]] = []
    monkeypatch.setattr(identify, "SCALE", tmp_path)
    monkeypatch.setattr(identify, "find_spec", lambda _name: None)
    monkeypatch.setattr(os, "execve", lambda *words: started.append(words))
    monkeypatch.setattr(sys, "argv", ["model", "identify", "s3://bucket", "--out", "out"])
    result = run("identify", "s3://bucket", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "--out needs packages that aren't installed. Run: make scale" in result.stderr
    (tmp_path / ".ready").touch()
    identify._start_scale()
    ((python, command, environment),) = started
    assert python == tmp_path / "bin" / "python"
    assert command[1:] == ["-m", "scale", "identify", "s3://bucket", "--out", "out"]
    assert environment["PYTHONPATH"].startswith(str(ROOT))


OPTIONS = ("a b --out c", "'' --out c", "a --out c --json", "a --shard 1/2", "a --ray x")
AROUND = ("s3://a/b --out s3://a/b/", "gs://a/b --out gs://a", "b --out ./c/../b")


@pytest.mark.parametrize("words", [*OPTIONS, *AROUND])
def test_options_that_do_not_fit_are_refused(words: str) -> None:
    result = run("identify", *shlex.split(words))
    assert result.exit_code == 2
    message = "holds the photos." if words in AROUND else "--out takes one folder or bucket, and no"
    assert message in result.stderr


@pytest.mark.parametrize("address", ["s3://museum/photos", "s3:/museum/photos"])
def test_bucket_needs_a_folder_for_results(tiny_bundle: Bundle, address: str) -> None:
    result = run("identify", address)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Photos in a bucket need --out RESULTS." in result.stderr
