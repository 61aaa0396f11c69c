"""Folders of exports: complete, and replacing only an earlier one; converters in environments."""

import hashlib
import json
import re
import sys
from pathlib import Path

import pytest

from model import Bundle
from model.errors import ConversionFailed, EngineUnavailable, FolderExists
from model.exporting import export_folder
from model.exporting.export_folder import (
    CONVERTERS_DIR,
    RECORD,
    escape_markdown,
    read_record,
    run_converter,
    write_export,
)
from model.exporting.formats import export_models

MODELS = {"tiny": "0123456789ab"}


def fill(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "a.txt").write_text("a")


def test_record_lists_every_file_by_its_hash(tmp_path: Path) -> None:
    sizes = write_export(tmp_path / "out", MODELS, fill)
    assert sizes.keys() == {"deep/a.txt", RECORD}
    record = read_record(tmp_path / "out")
    assert record is not None
    assert record["models"] == MODELS
    assert record["files"] == {"deep/a.txt": hashlib.sha256(b"a").hexdigest()}


def test_earlier_export_is_replaced_and_other_files_are_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_export(out, MODELS, fill)
    (out / ".git").mkdir()
    (out / ".git" / "HEAD").write_text("main")
    write_export(out, MODELS, lambda new: (new / "b.txt").touch())
    assert sorted(path.name for path in out.iterdir()) == [".git", "b.txt", RECORD]
    assert (out / ".git" / "HEAD").read_text() == "main"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("record", [None, "{", "[]", json.dumps({"format": 2, "files": {}})])
def test_folder_of_other_files_is_refused(tmp_path: Path, record: str | None) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    if record is not None:
        (tmp_path / RECORD).write_text(record)
    with pytest.raises(FolderExists, match="Choose another folder"):
        write_export(tmp_path, MODELS, fill)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_failure_leaves_the_earlier_export(tmp_path: Path) -> None:
    def fail(new: Path) -> None:
        fill(new)
        raise OSError("disk full")

    out = tmp_path / "out"
    write_export(out, MODELS, fill)
    with pytest.raises(OSError, match="disk full"):
        write_export(out, MODELS, fail)
    assert (out / "deep" / "a.txt").read_text() == "a"
    assert list(tmp_path.iterdir()) == [out]


def test_markdown_shows_text_unchanged() -> None:
    assert escape_markdown("a *b*\n<c> [d](e) 10%, t-shirt") == (
        "a \\*b\\* \\<c\\> \\[d\\](e) 10%, t-shirt"
    )


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a converter environment whose Python is the one that runs the tests."""
    monkeypatch.setattr(export_folder, "ENVIRONMENTS_DIR", tmp_path)
    (tmp_path / "here" / "bin").mkdir(parents=True)
    (tmp_path / "here" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "here" / ".ready").touch()
    return "here"


def test_output_of_a_converter_is_returned(environment: str) -> None:
    assert run_converter(environment, ["-c", "print('done')"], "print") == "done\n"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print('Loading'); raise ValueError('unknown operator')", "ValueError: unknown oper"),
        ("raise SystemExit(3)", "no reason given"),
        ("import time; time.sleep(60)", "it took longer than 1 s"),
        # This project's packages are on PYTHONPATH, but not for converters.
        ("import model", "ModuleNotFoundError: No module named 'model'"),
    ],
)
def test_failure_names_the_task_and_the_reason(
    environment: str, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.setattr(export_folder, "TIMEOUT_SECONDS", 1 if "sleep" in code else 60)
    with pytest.raises(ConversionFailed, match=f"here can't convert it: {reason}"):
        run_converter(environment, ["-c", code], "convert it")


def test_missing_or_half_installed_converter_names_the_command(
    environment: str, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    with pytest.raises(EngineUnavailable, match="onnx2tf, which isn't installed. Run: make conv"):
        export_models([tiny_bundle], "tflite", tmp_path / "out")
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
