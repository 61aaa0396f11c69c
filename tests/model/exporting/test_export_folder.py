"""An export's folder appears complete, and replaces only an earlier export."""

import hashlib
import json
from pathlib import Path

import pytest

from model.errors import FolderExists
from model.exporting.export_folder import RECORD, escape_markdown, read_record, write_export

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
