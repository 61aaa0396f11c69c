"""Backups that are damaged, or made to do harm: each a refusal, and nothing is written."""

import hashlib
import json
import os
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from model.backup import FORMAT, back_up, restore
from model.backup.contents import CONTENTS, RECORDS, clash, odd
from model.backup.opening import opened
from model.corrections import correction_store
from model.errors import ArchiveError, DataError
from tests.model.backup.parts import JPEG, beside, labels, whole

Files = dict[str, bytes]


def packed(
    files: Files,
    target: Path,
    change: Callable[[dict[str, Any]], None] = lambda _: None,
    method: int = zipfile.ZIP_STORED,
) -> Path:
    """A backup by somebody else: those files, and contents that fit them unless changed."""
    values: dict[str, Any] = {
        "format": FORMAT,
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


def refused(file: Path, match: str, own: Path) -> None:
    """Refused, and nothing was written anywhere."""
    before, around = whole(own), beside(own.parent)
    with pytest.raises(ArchiveError, match=match):
        restore(file)
    assert (whole(own), beside(own.parent)) == (before, around)


@pytest.mark.parametrize(
    "path",
    [
        "../escaped.txt",
        "models/../../escaped.txt",
        "/etc/passwd",
        "models//x/y",
        "models/x/./y",
        "models/x/..",
        "models/x/.hidden",
        "models/x/end.",
        "models/x/end ",
        "models/C:\\x",
        "models/..\\..\\x",
        "models/x/a\nb",
        "models/" + "x" * 300 + "/y",
        "models/" + "x/" * 300 + "y",
        "secrets.toml",
        "other/x",
        "records.sqlite/x",
        "models",
        "records.sqlite-wal",
        " models/x",
    ],
)
def test_no_path_leaves_its_folder(own: Path, tmp_path: Path, path: str) -> None:
    assert odd(path)
    correction_store().close()
    refused(packed({path: b"x"}, tmp_path / "evil.zip"), "This backup names|as Loupe writes", own)


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
def test_no_path_is_two(own: Path, tmp_path: Path, paths: list[str]) -> None:
    assert clash(paths) == paths[1]
    assert clash(paths[:1]) is None
    correction_store().close()
    refused(packed(dict.fromkeys(paths, b"x"), tmp_path / "evil.zip"), "twice, or below", own)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda values: values.update(format=FORMAT + 1), "Update Loupe"),
        (lambda values: values.update(format=FORMAT - 1), "with the Loupe that wrote it"),
        (lambda values: values.update(format="1"), "format"),
        (lambda values: values.pop("format"), "format"),
        (lambda values: values.update(more=1), "more"),
        (lambda values: values.update(made="yesterday"), "made"),
        (lambda values: values.update(corrections=-1), "corrections"),
        (lambda values: values["files"][0].update(bytes=5), "other files than"),
        (lambda values: values["files"][0].update(bytes=-5), "files.0.bytes"),
        (lambda values: values["files"][0].update(sha256="0" * 64), "not as it was saved"),
        (lambda values: values["files"][0].update(sha256="x"), "sha256"),
        (lambda values: values["files"][0].update(modified=2**70), "modified"),
        (lambda values: values["files"].pop(), "other files than"),
        (lambda values: values["files"].append(values["files"][0]), "twice"),
        (lambda values: values["files"][0].update(path="models/a/c"), "other files than"),
    ],
)
def test_contents_that_do_not_fit_are_refused(
    own: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], match: str
) -> None:
    correction_store().close()
    refused(packed({"models/a/b": b"data"}, tmp_path / "evil.zip", change), match, own)


def test_links_compression_passwords_and_foreign_zips_are_refused(
    own: Path, tmp_path: Path
) -> None:
    correction_store().close()
    evil = tmp_path / "evil.zip"
    refused(packed({"models/a/b": bytes(9999)}, evil, method=zipfile.ZIP_DEFLATED), "again", own)
    link = zipfile.ZipInfo("models/a/b")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(packed({}, evil), "a") as zipped:
        zipped.writestr(link, "/etc/passwd")
    refused(evil, "no file, as a link", own)
    with zipfile.ZipFile(evil, "w") as zipped:
        zipped.writestr("cat.jpg", JPEG)
    refused(evil, "not a backup of Loupe", own)
    with zipfile.ZipFile(evil, "w") as zipped:
        zipped.writestr(CONTENTS, "[" * 100_000)
    refused(evil, "as Loupe writes it|not a whole backup", own)
    locked = bytearray(packed({"models/a/b": b"x"}, evil).read_bytes())
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    evil.write_bytes(locked)
    refused(evil, "password", own)


def test_members_that_overlap_are_no_bomb(own: Path, tmp_path: Path) -> None:
    """Fifty names for the same megabyte."""
    correction_store().close()
    evil, data = tmp_path / "evil.zip", os.urandom(2**20)
    files = {"models/a/0": data, **{f"models/a/{number:02}": b"" for number in range(1, 50)}}
    packed(files, evil)
    raw = bytearray(evil.read_bytes())
    first = raw.index(b"PK\x01\x02")
    place = first
    for _ in range(49):
        place = raw.index(b"PK\x01\x02", place + 1)
        raw[place + 16 : place + 28] = raw[first + 16 : first + 28]
        raw[place + 42 : place + 46] = raw[first + 42 : first + 46]
    evil.write_bytes(raw)
    refused(evil, "more than it holds", own)


@pytest.mark.parametrize("wide", [False, True])
def test_a_directory_that_would_fill_the_memory_is_not_read(
    own: Path, tmp_path: Path, wide: bool
) -> None:
    correction_store().close()
    evil = tmp_path / "evil.zip"
    if wide:
        # As many entries as take the wider record: 65,536.
        with zipfile.ZipFile(evil, "w") as zipped:
            for number in range(2**16 + 1):
                zipped.writestr(f"models/a/{number}{'x' * 200}", b"")
    else:
        raw = bytearray(packed({"models/a/b": b"x"}, evil).read_bytes())
        raw[-10:-6] = struct.pack("<L", 2**31)
        evil.write_bytes(raw)
    refused(evil, "more files than", own)


@pytest.mark.parametrize("data", [b"", b"PK", b"nonsense" * 50, b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_zip_is_refused(own: Path, tmp_path: Path, data: bytes) -> None:
    correction_store().close()
    (tmp_path / "evil.zip").write_bytes(data)
    refused(tmp_path / "evil.zip", "not a whole backup", own)


def test_records_that_are_damaged_or_alive_are_refused(own: Path, tmp_path: Path) -> None:
    correction_store().close()
    evil, made = tmp_path / "evil.zip", tmp_path / "made"
    count: Callable[[dict[str, Any]], None] = lambda values: values.update(corrections=1)  # noqa: E731
    refused(packed({RECORDS: b"no database" * 500}, evil, count), "not a whole SQLite file", own)
    with closing(sqlite3.connect(made)) as database:
        database.execute("CREATE TABLE corrections (id INTEGER PRIMARY KEY)")
        database.execute(
            "CREATE TRIGGER t AFTER INSERT ON corrections BEGIN DELETE FROM corrections; END"
        )
        database.commit()
    refused(packed({RECORDS: made.read_bytes()}, evil, count), "view or a trigger", own)
    raw = bytearray((own / RECORDS).read_bytes())
    raw[4096:8192] = os.urandom(4096)
    refused(packed({RECORDS: bytes(raw)}, evil, count), "damaged|not a whole SQLite", own)


def test_damaged_records_are_not_saved_and_do_not_hinder_a_restore(
    own: Path, file: Path, tmp_path: Path
) -> None:
    raw = bytearray((own / RECORDS).read_bytes())
    raw[:100] = os.urandom(100)
    (own / RECORDS).write_bytes(raw)
    with pytest.raises(DataError, match="records .* cannot be saved"):
        back_up(tmp_path / "b.zip")
    assert beside(tmp_path) == ["data", "loupe.zip"]
    with pytest.raises(DataError, match="Restore without --without-records"):
        restore(file, records=False)
    assert restore(file).corrections == 3
    assert len(labels(own)) == 3


def test_a_backup_cut_short_is_refused_at_many_lengths(own: Path, file: Path) -> None:
    data = file.read_bytes()
    cut = file.with_name("cut.zip")
    for length in [*range(0, len(data), 997), len(data) - 1]:
        cut.write_bytes(data[:length])
        refused(cut, "whole backup", own)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    target = tmp_path_factory.mktemp("small") / "small.zip"
    return packed({"models/a/b": b"x" * 60, "models/a/c": b"y"}, target).read_bytes()


@hypothesis_settings(max_examples=300, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8)
)
def test_any_damage_is_a_refusal_and_never_another_error(
    small: bytes, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(small)
    for place, value in changes:
        data[place % len(data)] = value
    target = tmp_path_factory.getbasetemp() / "changed.zip"
    target.write_bytes(data)
    try:
        with opened(target) as archive:
            archive.verify()
    except ArchiveError:
        return
    assert {entry.path for entry in archive.contents.files} == {"models/a/b", "models/a/c"}
