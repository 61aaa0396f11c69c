"""Tests of damaged and hostile backups: each is rejected, and nothing is written."""

import hashlib
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from model import backup as backup_module
from model.backup import CONTENTS, CORRECTIONS_FILE, back_up, restore
from model.errors import ArchiveError, DataError
from model.storage import zips
from tests.model.backup.helpers import JPEG, names

Files = dict[str, bytes]


def write_backup(
    files: Files,
    target: Path,
    change: Callable[[dict[str, Any]], None] = lambda _: None,
    method: int = zipfile.ZIP_STORED,
) -> Path:
    """Write a backup of those files, with contents that fit them unless changed."""
    values: dict[str, Any] = {
        "format": 1,
        "made": "2026-01-02T03:04:05Z",
        "versions": {},
        "corrections": None,
        "files": [
            {
                "path": path,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "modified": 1_700_000_000,
            }
            for path, data in files.items()
        ],
    }
    change(values)
    with zipfile.ZipFile(target, "w", method) as zipped:
        for path, data in files.items():
            zipped.writestr(path, data)
        zipped.writestr(CONTENTS, json.dumps(values))
    return target


def assert_rejected(file: Path, match: str) -> None:
    """Check that a backup is rejected, and that nothing was written anywhere."""
    before = names(file.parent)
    with pytest.raises(ArchiveError, match=match):
        restore(file, file.with_name("new"))
    assert names(file.parent) == before


PATHS = """
    ../escaped.txt models/../../escaped.txt /etc/passwd models//x/y models/x/./y models/x/..
    models/x/.hidden models/x/end. models/C:\\x models/..\\..\\x secrets.toml other/x
    records.sqlite/x models records.sqlite-wal
""".split()
LONG_PATHS = ["models/" + "x" * 300 + "/y", "models/" + "x/" * 300 + "y"]


@pytest.mark.parametrize("path", [*PATHS, *LONG_PATHS, "models/x/end ", " models/x", "models/a\nb"])
def test_paths_outside_the_data_folder_are_rejected(tmp_path: Path, path: str) -> None:
    assert_rejected(write_backup({path: b"x"}, tmp_path / "evil.zip"), "This backup names")


@pytest.mark.parametrize(
    "paths",
    [
        ["models/x/y", "models/x/y/z"],
        ["models/x/y/z", "models/x/y"],
        ["models/x/Y", "models/x/y"],
        ["models/x/\u00fc", "models/x/u\u0308"],
        ["models/X/a", "models/x"],
    ],
)
def test_paths_that_clash_are_rejected(tmp_path: Path, paths: list[str]) -> None:
    assert zips.find_clash(paths) == paths[1]
    assert zips.find_clash(paths[:1]) is None
    assert_rejected(
        write_backup(dict.fromkeys(paths, b"x"), tmp_path / "evil.zip"), "twice, or below"
    )


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda values: values.update(format=2), "format. A newer Loupe may"),
        (lambda values: values.update(more=1), "more"),
        (lambda values: values.update(made="yesterday"), "made"),
        (lambda values: values["files"][0].update(bytes=5), "doesn.t hold the files"),
        (
            lambda values: values["files"][0].update(sha256="0" * 64),
            "models/a/b in this backup is damaged",
        ),
        (lambda values: values["files"][0].update(modified=2**70), "modified"),
        (lambda values: values["files"].pop(), "doesn.t hold the files"),
        (lambda values: values["files"].append(values["files"][0]), "twice"),
        (lambda values: values["files"][0].update(path="models/a/c"), "doesn.t hold the files"),
    ],
)
def test_contents_that_do_not_fit_are_rejected(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], match: str
) -> None:
    assert_rejected(write_backup({"models/a/b": b"data"}, tmp_path / "evil.zip", change), match)


def test_passwords_and_foreign_zips_are_rejected(tmp_path: Path) -> None:
    evil = tmp_path / "evil.zip"
    with zipfile.ZipFile(evil, "w") as zipped:
        zipped.writestr("cat.jpg", JPEG)
    assert_rejected(evil, "evil.zip isn't a Loupe backup: it is a zip with 'cat.jpg' in it")
    with zipfile.ZipFile(evil, "w"):
        pass
    assert_rejected(evil, "it is an empty zip")
    with zipfile.ZipFile(evil, "w") as zipped:
        zipped.writestr(CONTENTS, "[" * 100_000)
    assert_rejected(evil, "can't be used: no JSON")
    locked = bytearray(write_backup({"models/a/b": b"x"}, evil).read_bytes())
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    evil.write_bytes(locked)
    assert_rejected(evil, "damaged")


def test_overlapping_members_are_rejected(tmp_path: Path) -> None:
    """Fifty names for the same megabyte."""
    evil, data = tmp_path / "evil.zip", os.urandom(2**20)
    files = {"models/a/0": data, **{f"models/a/{number:02}": b"" for number in range(1, 50)}}
    write_backup(files, evil)
    raw = bytearray(evil.read_bytes())
    first = raw.index(b"PK\x01\x02")
    place = first
    for _ in range(49):
        place = raw.index(b"PK\x01\x02", place + 1)
        raw[place + 16 : place + 28] = raw[first + 16 : first + 28]
        raw[place + 42 : place + 46] = raw[first + 42 : first + 46]
    evil.write_bytes(raw)
    assert_rejected(evil, "damaged or incomplete")


def test_directory_that_would_fill_the_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = write_backup({"models/a/b": b"x", "models/a/c": b"x"}, tmp_path / "evil.zip")
    monkeypatch.setattr(backup_module, "MAX_FILES", 1)
    assert_rejected(evil, "more files than a backup may hold: 1")
    raw = bytearray(evil.read_bytes())
    raw[-10:-6] = struct.pack("<L", 2**31)
    evil.write_bytes(raw)
    assert_rejected(evil, "damaged or incomplete")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "it is empty"),
        (b"\x89PNG\r\n\x1a\n" * 50, r"it isn't a zip, it begins with '.x89PNG"),
        (b"<!DOCTYPE html>", "begins with '<!DOCTYPE ht'"),
        (b"PK", "damaged or incomplete"),
        (b"PK\x05\x06" + b"\xff" * 18, "damaged or incomplete"),
    ],
)
def test_other_files_are_named(tmp_path: Path, data: bytes, match: str) -> None:
    (tmp_path / "evil.zip").write_bytes(data)
    assert_rejected(tmp_path / "evil.zip", match)


def test_repacked_and_earlier_backups_are_restored(tmp_path: Path) -> None:
    """A zip tool compresses; earlier versions could save training runs."""
    files = {"models/a/b": bytes(9999), "training/flowers/plan.json": b"{}"}
    backup = write_backup(files, tmp_path / "b.zip", method=zipfile.ZIP_DEFLATED)
    restore(backup, tmp_path / "new")
    for path, data in files.items():
        assert (tmp_path / "new" / path).read_bytes() == data


def test_damaged_corrections_are_not_saved(data: Path, tmp_path: Path) -> None:
    raw = bytearray((data / CORRECTIONS_FILE).read_bytes())
    raw[:100] = os.urandom(100)
    (data / CORRECTIONS_FILE).write_bytes(raw)
    with pytest.raises(DataError, match=r"The corrections can't be opened: its file is damaged"):
        back_up(tmp_path / "b.zip")
    assert names(tmp_path) == ["data"]


def test_truncated_backup_is_rejected_at_many_lengths(backup: Path) -> None:
    raw = backup.read_bytes()
    cut = backup.with_name("cut.zip")
    for length in [*range(0, len(raw), 997), len(raw) - 1]:
        cut.write_bytes(raw[:length])
        assert_rejected(cut, "damaged or incomplete" if length else "it is empty")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    target = tmp_path_factory.mktemp("small") / "small.zip"
    return write_backup({"models/a/b": b"x" * 60, "models/a/c": b"y"}, target).read_bytes()


@hypothesis_settings(max_examples=300, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8)
)
def test_any_damaged_byte_is_rejected_or_harmless(
    small: bytes, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(small)
    for place, value in changes:
        data[place % len(data)] = value
    folder = tmp_path_factory.mktemp("changed")
    target = folder / "changed.zip"
    target.write_bytes(data)
    try:
        restore(target, folder / "new")
    except ArchiveError:
        assert names(folder) == ["changed.zip"]
        return
    assert (folder / "new/models/a/b").read_bytes() == b"x" * 60
    assert (folder / "new/models/a/c").read_bytes() == b"y"
