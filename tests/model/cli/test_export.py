"""``python -m model export``."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from model.cli import main
from model.exporting import cache
from model.exporting.export_folder import read_record
from tests.model.tiny import tiny


def test_models_are_exported_and_the_next_step_is_said(
    built_dir: Path, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "BUILT_DIR", built_dir)
    # It is the owner's own act.
    monkeypatch.setenv("LOUPE_DOWNLOADS", "false")
    versions = {name: tiny(shelf, name).version for name in ("pears", "apples")}
    folder = tmp_path / "page"
    command = ["export", "apples", "pears", "apples", "--to", "web", "--out", str(folder)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert f"apples (version {versions['apples']}), pears" in result.output
    assert f"python -m http.server --directory {folder}" in result.output
    record = read_record(folder)
    assert record
    assert record["models"] == versions
    assert list(record["models"]) == ["apples", "pears"]


def test_refusals_say_what_to_do(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(shelf)
    runner, out = CliRunner(), str(tmp_path / "page")
    result = runner.invoke(main, ["export", "absent", "--to", "web", "--out", out])
    assert (result.exit_code, "no-such-model" in result.output) == (2, True)
    result = runner.invoke(main, ["export", "tiny", "--to", "web", "--out", str(tmp_path)])
    assert (result.exit_code, "folder-exists" in result.output) == (2, True)
    monkeypatch.setenv("PATH", os.devnull)
    result = runner.invoke(main, ["export", "tiny", "--to", "web", "--out", out])
    assert (result.exit_code, "npm" in result.output) == (2, True)
    assert not Path(out).exists()
