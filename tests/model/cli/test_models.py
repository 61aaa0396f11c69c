"""The commands on models that exist: ``list``, ``show``, ``verify`` and ``export``."""

import json
import os
from pathlib import Path

import pytest

from model import Bundle
from model.browser import cache
from model.exporting.export_folder import read_record
from model.exporting.formats import find_downloads
from tests.model.command import run
from tests.model.tiny import COLOURS, colour, tiny


def test_list_shows_models_and_errors(tiny_bundle: Bundle, models_dir: Path) -> None:
    (models_dir / "broken").mkdir()
    (models_dir / "broken" / "graph.onnx").write_bytes(b"half")
    result = run("list")
    assert result.exit_code == 0
    assert tiny_bundle.version in result.stdout
    assert "imagenet" in result.stdout
    assert "75.1% (74.7–75.5%)" in result.stdout
    assert "compiled" in result.stdout
    assert "broken: There is no model in" in result.stderr


def test_list_keeps_every_column_on_80_columns(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    tiny(models_dir, "a-name-as-long-as-names-may-be-which-is-sixty-four-characters-1")
    result = run("list")
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert result.stdout.split("\n")[0].split()[-1] == "engines"
    rows = [line.split() for line in result.stdout.splitlines()]
    for row in rows:
        if row[0] in ("clothing", "imagenet"):
            assert "compiled" in " ".join(row)
    names = "".join(row[0] for row in rows)
    assert "a-name-as-long-as-names-may-be-which-is-sixty-four-characters-1" in names


def test_show_prints_the_manifest(tiny_bundle: Bundle) -> None:
    result = run("show", "tiny")
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert shown["version"] == tiny_bundle.version
    assert shown["folder"] == str(tiny_bundle.folder)
    assert shown["labels"] == list(COLOURS)
    assert set(shown["files"]) == {"graph.onnx", "golden.npz"}


def test_verify_names_a_damaged_file(tiny_bundle: Bundle) -> None:
    path = tiny_bundle.folder / "graph.onnx"
    path.write_bytes(path.read_bytes()[::-1])
    result = run("verify", "tiny")
    assert result.exit_code == 1
    assert "[bundle-damaged]" in result.stderr
    assert str(path) in result.stderr


def test_export_prints_the_next_step(
    built_dir: Path, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "BUILT_DIR", built_dir)
    # The setting applies to visitors, not to the owner's command.
    monkeypatch.setenv("LOUPE_DOWNLOADS", "false")
    versions = {name: tiny(models_dir, name).version for name in ("pears", "apples")}
    folder = tmp_path / "page"
    result = run("export", "apples", "pears", "apples", "--to", "web", "--out", folder)
    assert result.exit_code == 0, result.output
    assert f"apples (version {versions['apples']}), pears" in result.output
    assert f"python -m http.server --directory {folder}" in result.output
    record = read_record(folder)
    assert record
    assert record["models"] == versions
    assert list(record["models"]) == ["apples", "pears"]


def test_refusals_name_their_code(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(models_dir)
    out = tmp_path / "page"
    result = run("export", "absent", "--to", "web", "--out", out)
    assert (result.exit_code, "no-such-model" in result.output) == (2, True)
    result = run("export", "tiny", "--to", "web", "--out", tmp_path)
    assert (result.exit_code, "folder-exists" in result.output) == (2, True)
    monkeypatch.setenv("PATH", os.devnull)
    result = run("export", "tiny", "--to", "web", "--out", out)
    assert (result.exit_code, "npm" in result.output) == (2, True)
    assert not out.exists()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("red", "green"):
        colour(name).save(folder / f"{name}.png")
    return folder


def test_model_is_exported_and_kept_as_a_download(
    models_dir: Path, photos: Path, tmp_path: Path
) -> None:
    bundle = tiny(models_dir)
    out = tmp_path / "out"
    result = run("export", "tiny", "--to", "onnx", "--out", out, "--photos", photos)
    assert result.exit_code == 0, result.output
    assert f"tiny (version {bundle.version}) in {out}" in result.output
    assert "On 9 photos, compared with the recorded outputs" in result.output
    # A plain network has no learner to compare with on other photos.
    assert "The photos of `--photos` weren't used" in result.output.replace("\n", " ")
    assert str(find_downloads(bundle)["onnx"]) in result.output.replace("\n", "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("tiny", "other", "--to", "onnx"), "takes one model"),
        (("tiny", "--to", "onnx", "--int8"), "--int8 doesn't go with --to onnx"),
        (("tiny", "--to", "web", "--photos", "."), "--photos doesn't go with --to web"),
        (("tiny", "--to", "fastai"), "conversion-failed"),
        (("tiny", "--to", "keras"), "'keras' is not one of"),
    ],
)
def test_options_that_conflict_are_refused(
    models_dir: Path, tmp_path: Path, words: tuple[str, ...], expected: str
) -> None:
    for name in ("tiny", "other"):
        tiny(models_dir, name)
    result = run("export", *words, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert expected in result.output
    assert not (tmp_path / "out").exists()
