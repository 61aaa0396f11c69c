"""A host's files: written completely or not at all, zipped, and read back."""

import errno
import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.errors import FilesDiffer, Unreadable
from deploy.files import (
    WriteResult,
    get_value,
    make_files,
    parse_files,
    parse_memory_mb,
    parse_variables,
    write_files,
    zip_files,
)
from deploy.host import Host
from deploy.hosts import get_host, hosts
from deploy.package import app_files
from deploy.record import RECORD, read_record
from deploy.spec import APP
from model import atomic

every_host = pytest.mark.parametrize(
    "host",
    # A static host gets a page instead: see test_static_page.py.
    [host for host in hosts().values() if host.has_server],
    ids=lambda host: host.name,
)


SMALL = replace(APP, builtin=False)
"""The app without its large models."""


def folder_contents(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, except the record of what was written."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RECORD
    }


def expected_contents(host: Host) -> dict[str, bytes]:
    copied = app_files(SMALL) if host.package == "folder" else {}
    texts = {path: text.encode() for path, text in make_files(host, SMALL).items()}
    return {path: source.read_bytes() for path, source in copied.items()} | texts


@every_host
def test_write_creates_the_files_and_then_changes_nothing(host: Host, tmp_path: Path) -> None:
    assert set(write_files(host, tmp_path, SMALL).values()) == {WriteResult.NEW}
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert set(write_files(host, tmp_path, SMALL).values()) == {WriteResult.SAME}
    assert folder_contents(tmp_path) == expected_contents(host)
    assert times == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


@every_host
def test_write_keeps_a_file_that_differs_unless_forced(host: Host, tmp_path: Path) -> None:
    name = next(iter(make_files(host)))
    edited = tmp_path / name
    edited.parent.mkdir(parents=True, exist_ok=True)
    edited.write_text("mine")
    with pytest.raises(FilesDiffer, match=f"{edited.name} differs .*--to, or .*--force"):
        write_files(host, tmp_path, SMALL)
    # The files that are missing are not written either.
    assert folder_contents(tmp_path) == {name: b"mine"}
    assert write_files(host, tmp_path, SMALL, force=True)[edited] == WriteResult.REPLACED
    assert folder_contents(tmp_path) == expected_contents(host)


@every_host
def test_file_is_replaced_until_somebody_edits_it(host: Host, tmp_path: Path) -> None:
    name = next(iter(make_files(host)))
    values = dict.fromkeys(host.placeholders, "first")
    write_files(host, tmp_path, SMALL)
    write_files(host, tmp_path, SMALL, values)
    write_files(host, tmp_path, replace(SMALL, models=("mine",)), values)
    (tmp_path / name).write_text("edited")
    with pytest.raises(FilesDiffer):
        write_files(host, tmp_path, SMALL)
    write_files(host, tmp_path, SMALL, force=True)
    write_files(host, tmp_path, SMALL, values)


@pytest.mark.parametrize("record", ["", "[]", "{", "[" * 100_000, '{"fly.toml": 1}', "\xff"])
def test_damaged_record_counts_as_none(record: str, tmp_path: Path) -> None:
    fly = get_host("fly")
    write_files(fly, tmp_path)
    (tmp_path / RECORD).write_text(record, encoding="latin-1")
    with pytest.raises(FilesDiffer):
        write_files(fly, tmp_path, replace(APP, models=("mine",)))


def test_record_holds_the_files_of_every_host_in_the_folder(tmp_path: Path) -> None:
    for name in ("fly", "render"):
        write_files(get_host(name), tmp_path)
    assert set(read_record(tmp_path)) == {"fly.toml", "render.yaml"}


@every_host
def test_zip_contains_the_files_and_is_reproducible(host: Host) -> None:
    zipped = zip_files(host, SMALL)
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        assert archive.testzip() is None
        contents = {name: archive.read(name) for name in archive.namelist()}
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert contents == expected_contents(host)
    assert modes == {name: 0o755 if name.endswith(".sh") else 0o644 for name in contents}
    assert zip_files(host, SMALL) == zipped


def test_write_failure_keeps_the_previous_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fly.toml").write_text("previous")

    def fail(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "fsync_path", fail)
    with pytest.raises(OSError, match="No space left"):
        write_files(get_host("fly"), tmp_path, force=True)
    assert folder_contents(tmp_path) == {"fly.toml": b"previous"}


@every_host
def test_paths_stay_below_the_folder(host: Host) -> None:
    for path in map(Path, make_files(host)):
        assert not path.is_absolute()
        assert ".." not in path.parts


@pytest.mark.parametrize(
    ("path", "text"),
    [("a.json", "{"), ("a.toml", "a ="), ("a.yaml", "a: [1"), ("README.md", "---\na: [1\n---\n")],
)
def test_parse_refuses_a_broken_file(path: str, text: str) -> None:
    with pytest.raises(Unreadable, match=f"{path} can't be read"):
        parse_files({path: text})


@pytest.mark.parametrize(
    ("path", "expected"),
    [("b.1.c", 2), ("", {"b": [0, {"c": 2}]}), ("b.5", None), ("b.c", None), (None, None)],
)
def test_value_is_found_by_its_path(path: str | None, expected: Any) -> None:
    assert get_value({"a.json": {"b": [0, {"c": 2}]}}, "a.json", path) == expected


@pytest.mark.parametrize(
    ("value", "memory_mb"),
    [("512mb", 512), ("1024M", 1024), ("1Gi", 1024), ("1gb", 1024), (256, 256), ("2048K", 2)],
)
def test_memory_is_parsed_in_every_notation(value: str | int, memory_mb: int) -> None:
    assert parse_memory_mb(value) == memory_mb


@pytest.mark.parametrize("value", ["much", "", "mb", "1 2", None])
def test_memory_without_a_number_is_refused(value: str | None) -> None:
    with pytest.raises(Unreadable, match="not an amount of memory"):
        parse_memory_mb(value)


@pytest.mark.parametrize(
    "value",
    [
        {"A": "1"},
        {"A": {"value": "1", "description": "…"}},
        [{"name": "A", "value": "1"}],
        [{"key": "A", "value": "1"}, {"key": "SECRET", "generateValue": True}],
    ],
)
def test_variables_are_parsed_in_every_form(value: object) -> None:
    assert parse_variables(value) == {"A": "1"}
    assert parse_variables(None) == {}
