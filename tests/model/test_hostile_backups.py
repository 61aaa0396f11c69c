"""Tests of damaged and hostile backups: each is rejected, and nothing is written."""

import hashlib
import json
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from model import backup_zip
from model.backup import restore
from model.backup_zip import CONTENTS
from model.errors import ArchiveError
from model.storage import disk, zips
from tests.damage import damaged
from tests.zips import CENTRAL, central, zipped

DAMAGED = "isn't a Loupe backup, or it is damaged or incomplete"


def make_backup(
    files: Mapping[str, bytes],
    change: Callable[[dict[str, Any]], object] = lambda _: None,
    method: int = zipfile.ZIP_STORED,
) -> bytes:
    """Return a backup of those files, with contents that fit them unless changed."""
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
    return zipped({**files, CONTENTS: json.dumps(values).encode()}, method)


def assert_rejected(folder: Path, data: bytes, match: str) -> None:
    """Check that a backup is rejected, and that nothing was written anywhere."""
    (folder / "evil.zip").write_bytes(data)
    with pytest.raises(ArchiveError, match=match):
        restore(folder / "evil.zip", folder / "new")
    assert [path.name for path in folder.iterdir()] == ["evil.zip"]


PATHS = """
    ../escaped.txt models/../../escaped.txt /etc/passwd models//x/y models/x/./y models/x/..
    models/x/.hidden models/x/end. models/C:\\x models/..\\..\\x secrets.toml other/x
    records.sqlite/x models records.sqlite-wal
""".split()
LONG_PATHS = ["models/" + "x" * 300 + "/y", "models/" + "x/" * 300 + "y"]


@pytest.mark.parametrize("path", [*PATHS, *LONG_PATHS, "models/x/end ", " models/x", "models/a\nb"])
def test_paths_outside_the_data_folder_are_rejected(tmp_path: Path, path: str) -> None:
    assert_rejected(tmp_path, make_backup({path: b"x"}), "This backup names")


def make_renamed(*paths: str, stored_as: str = "renamed/{}") -> bytes:
    """Return a backup of files with those real names, stored under safe names."""
    members = [stored_as.format(number) for number in range(len(paths))]

    def change(values: dict[str, Any]) -> None:
        for entry, path, member in zip(values["files"], paths, members, strict=True):
            entry.update(path=path, stored_as=member)

    return make_backup(dict(zip(members, map(str.encode, paths), strict=True)), change)


@pytest.mark.parametrize("path", [path for path in PATHS if ":" not in path and path[-1] != "."])
def test_real_names_outside_the_data_folder_are_rejected(tmp_path: Path, path: str) -> None:
    assert_rejected(tmp_path, make_renamed(path), "This backup names")


@pytest.mark.parametrize("stored_as", ["../{}", "models/{}", "renamed/../{}", "renamed/{}\n"])
def test_safe_names_have_one_form(tmp_path: Path, stored_as: str) -> None:
    assert_rejected(tmp_path, make_renamed("models/x", stored_as=stored_as), "stored_as")


def test_real_names_never_replace_each_other(tmp_path: Path) -> None:
    assert_rejected(tmp_path, make_renamed("models/x", "models/x"), "lists a file twice")
    paths = ("models/x", "models/x/y", "models/a\\..\\z", "models/C:\\z")
    (tmp_path / "b.zip").write_bytes(make_renamed(*paths))
    restore(tmp_path / "b.zip", tmp_path / "new")
    files = {path for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert sorted(path.read_text() for path in files) == sorted(paths)


def test_many_names_that_are_one_on_this_disk_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "MAX_ALIKE", 2)
    alike = make_renamed("models/_a", "models/\0a", "models/\1a")
    (tmp_path / "evil.zip").write_bytes(alike)
    with pytest.raises(ArchiveError, match="2 files are '_a' on this disk"):
        restore(tmp_path / "evil.zip", tmp_path / "new")
    assert not [*(tmp_path / "new").iterdir()]


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
    assert [*zips.find_clashes(paths)] == paths[1:]
    assert_rejected(tmp_path, make_backup(dict.fromkeys(paths, b"x")), "twice, or as both")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda values: values.update(format=3), "format. A newer Loupe may"),
        (lambda values: values.update(more=1), "more"),
        (lambda values: values.update(made="yesterday"), "made"),
        (lambda values: values["files"][0].update(bytes=5), "doesn.t hold the files"),
        (
            lambda values: values["files"][0].update(sha256="0" * 64),
            "'models/a/b' in this backup is damaged",
        ),
        (lambda values: values["files"][0].update(modified=2**70), "modified"),
        (lambda values: values["files"].pop(), "doesn.t hold the files"),
        (lambda values: values["files"].append(values["files"][0]), "twice"),
        (lambda values: values["files"][0].update(path="models/x/" + "y" * 1000), "path"),
        (lambda values: values["files"][0].update(path="models/a/c"), "doesn.t hold the files"),
    ],
)
def test_contents_that_do_not_fit_are_rejected(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], match: str
) -> None:
    assert_rejected(tmp_path, make_backup({"models/a/b": b"data"}, change), match)


ONE = make_backup({"models/a/b": b"x"})


def with_overlap() -> bytes:
    """Return a backup in which fifty entries share the same megabyte."""
    empty = {f"models/a/{number:02}": b"" for number in range(1, 50)}
    data = bytearray(make_backup({"models/a/0": os.urandom(2**20), **empty}))
    first = place = data.index(CENTRAL)
    for _ in empty:
        place = data.index(CENTRAL, place + 1)
        data[place + 16 : place + 28] = data[first + 16 : first + 28]
        data[place + 42 : place + 46] = data[first + 42 : first + 46]
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", DAMAGED),
        (b"\x89PNG\r\n\x1a\n" * 50, DAMAGED),
        (ONE[:-1], DAMAGED),
        (ONE[: len(ONE) // 2], DAMAGED),
        (b"PK\x05\x06" + b"\xff" * 18, DAMAGED),
        (central(ONE, "models/a/b", 8, b"\1"), DAMAGED),
        (with_overlap(), DAMAGED),
        (ONE[:-10] + struct.pack("<L", 2**31) + ONE[-6:], DAMAGED),
        (zipped({}), DAMAGED),
        (zipped({"cat.jpg": b"photo"}), DAMAGED),
        (zipped({CONTENTS: b"[" * 1000}), "can't be used: no JSON"),
        (zipped({CONTENTS: b"[[]" + b",[]" * 300 + b"]"}), DAMAGED),
    ],
    ids=range(12),
)
def test_other_files_and_hostile_zips_are_rejected(tmp_path: Path, data: bytes, match: str) -> None:
    assert_rejected(tmp_path, data, match)


def test_number_of_files_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_zip, "MAX_FILES", 1)
    data = make_backup({"models/a/b": b"x", "models/a/c": b"x"})
    assert_rejected(tmp_path, data, "more files than a backup may hold: 1")


def test_repacked_and_earlier_backups_are_restored(tmp_path: Path) -> None:
    """A zip tool compresses; earlier versions could save training runs."""
    files = {"models/a/b": bytes(9999), "training/flowers/plan.json": b"{}"}
    (tmp_path / "b.zip").write_bytes(make_backup(files, method=zipfile.ZIP_DEFLATED))
    restore(tmp_path / "b.zip", tmp_path / "new")
    for path, data in files.items():
        assert (tmp_path / "new" / path).read_bytes() == data


SMALL = make_backup({"models/a/b": b"x" * 60, "models/a/c": b"y"})


@given(data=damaged([SMALL]))
def test_any_damage_is_rejected_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    target = folder / "changed.zip"
    target.write_bytes(data)
    try:
        restore(target, folder / "new")
    except ArchiveError:
        assert [path.name for path in folder.iterdir()] == ["changed.zip"]
        return
    assert (folder / "new/models/a/b").read_bytes() == b"x" * 60
    assert (folder / "new/models/a/c").read_bytes() == b"y"
