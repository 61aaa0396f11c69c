"""Environments of the converters: found when complete, and their failures in one sentence."""

import re
import sys
from pathlib import Path

import pytest

from model import Bundle
from model.errors import ConversionFailed, EngineUnavailable
from model.exporting import export_folder as converters
from model.exporting.export_folder import CONVERTERS_DIR, run_converter
from model.exporting.formats import export_models


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a converter environment whose Python is the one that runs the tests."""
    monkeypatch.setattr(converters, "ENVIRONMENTS_DIR", tmp_path)
    (tmp_path / "here" / "bin").mkdir(parents=True)
    (tmp_path / "here" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "here" / ".ready").touch()
    return "here"


def test_output_of_a_converter_is_returned(environment: str) -> None:
    assert run_converter(environment, ["-c", "print('done')"], "print") == "done\n"


def test_failure_names_the_task_and_the_reason(environment: str) -> None:
    code = "print('Loading'); raise ValueError('unknown operator')"
    with pytest.raises(ConversionFailed, match="here can't convert it: ValueError: unknown oper"):
        run_converter(environment, ["-c", code], "convert it")
    with pytest.raises(ConversionFailed, match="here can't convert it: no reason given"):
        run_converter(environment, ["-c", "raise SystemExit(3)"], "convert it")


def test_converter_that_takes_too_long_is_stopped(
    environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converters, "TIMEOUT_SECONDS", 0.1)
    with pytest.raises(ConversionFailed, match="here can't convert it: it took longer than 0.1 s"):
        run_converter(environment, ["-c", "import time; time.sleep(60)"], "convert it")


def test_converters_cannot_import_this_project(
    environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    with pytest.raises(ConversionFailed, match="No module named 'model'"):
        run_converter(environment, ["-c", "import model"], "import it")


def test_missing_converter_names_the_command(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converters, "ENVIRONMENTS_DIR", tmp_path / "none")
    with pytest.raises(EngineUnavailable, match="onnx2tf, which isn't installed. Run: make conv"):
        export_models([tiny_bundle], "tflite", tmp_path / "out")


def test_half_installed_converter_counts_as_missing(environment: str, tmp_path: Path) -> None:
    (tmp_path / "here" / ".ready").unlink()
    with pytest.raises(EngineUnavailable):
        run_converter(environment, ["-c", ""], "run")


@pytest.mark.parametrize("path", sorted(CONVERTERS_DIR.glob("*.in")), ids=lambda path: path.name)
def test_every_requirement_is_locked(path: Path) -> None:
    required = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    locked = path.with_suffix(".txt").read_text().splitlines()
    for line in required:
        name = re.split("[<>=]", line)[0]
        assert [pin for pin in locked if pin.startswith(f"{name}==")], line
    pins = [line for line in locked if line and not line.startswith(("#", " "))]
    assert all("==" in pin for pin in pins)
    hashed = [line for line in locked if line.startswith("    --hash=sha256:")]
    assert len(hashed) >= len(pins)
