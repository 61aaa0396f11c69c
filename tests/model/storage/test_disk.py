"""``model.storage.disk``: folders that can't be written to, full disks, and atomic replacement."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from model.answer.share_link import ensure_secret
from model.browser.cache import cached_folder
from model.errors import DataError
from model.storage.disk import (
    RESERVED_BYTES,
    free_bytes,
    make_folder,
    publish_folder,
    replace_atomically,
    replace_folder,
    require_space,
    require_writable,
    translate_disk_errors,
)
from tests.model.tiny import tiny


def test_folder_that_can_be_created_is_writable(tmp_path: Path) -> None:
    require_writable(tmp_path)
    require_writable(tmp_path / "new" / "models")
    assert not (tmp_path / "new").exists()


WRITERS: dict[str, Callable[[Path], object]] = {
    "key": lambda _: ensure_secret(),
    "model": lambda data: tiny(data / "models"),
    "files for browsers": lambda _: cached_folder("kind/version", lambda _: None),
    "folder": lambda data: make_folder(data / "runs" / "tiny"),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_only_this_user_enters_a_new_data_folder(
    data_folder: Path, write: Callable[[Path], object]
) -> None:
    umask = os.umask(0o022)
    try:
        write(data_folder)
        make_folder(data_folder.parent / "elsewhere")
    finally:
        os.umask(umask)
    assert oct(data_folder.stat().st_mode & 0o777) == "0o700"
    assert oct((data_folder.parent / "elsewhere").stat().st_mode & 0o777) == "0o755"


def test_folder_without_write_permission_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write everywhere.
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(PermissionError) as raised:
        require_writable(tmp_path / "new")
    assert raised.value.filename == str(tmp_path)


def test_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(NotADirectoryError) as raised:
        require_writable(tmp_path / "models" / "forms")
    assert raised.value.filename == str(tmp_path / "models")


def test_space_is_that_of_the_nearest_folder_less_a_reserve(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free - RESERVED_BYTES
    # Other processes write meanwhile.
    assert abs(free_bytes(tmp_path / "new" / "models") - free) < 2**30
    require_space(tmp_path / "new", 1)
    with pytest.raises(DataError, match=r"needs 1,152,921,504,607 MB, but only .* MB of the disk"):
        require_space(tmp_path / "new", 2**60)


@pytest.fixture
def full_disk() -> Iterator[BinaryIO]:
    """A file whose disk is full."""
    if not Path("/dev/full").is_char_device():
        pytest.skip("needs /dev/full, as Linux has")
    with Path("/dev/full").open("wb", buffering=0) as file:
        yield file


def test_full_disk_error_names_the_folder(full_disk: BinaryIO, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as raised, translate_disk_errors(tmp_path):
        full_disk.write(b"x")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(tmp_path))


@pytest.mark.torch
def test_full_disk_is_recognised_when_torch_saves(full_disk: BinaryIO, tmp_path: Path) -> None:
    import torch

    with pytest.raises(OSError, match="No space left") as raised, translate_disk_errors(tmp_path):
        torch.save({"weight": torch.zeros(1000)}, full_disk)
    assert raised.value.filename == str(tmp_path)


def test_full_disk_is_recognised_by_the_message_of_safetensors(tmp_path: Path) -> None:
    # safetensors writes a file of its own and renames it, so /dev/full must not be its target.
    message = "Error while serializing: I/O error: No space left on device (os error 28)"
    with pytest.raises(OSError, match="No space left") as raised, translate_disk_errors(tmp_path):
        raise RuntimeError(message)
    assert raised.value.filename == str(tmp_path)
    # Other errors pass unchanged.
    with pytest.raises(ValueError, match="other"), translate_disk_errors(tmp_path):
        raise ValueError("other")


def write_half(path: Path) -> None:
    path.write_text("half")
    raise RuntimeError


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("name", ["notes.txt", "x" * 250], ids=["short", "longest"])
def test_file_is_replaced_unless_the_block_raises(tmp_path: Path, name: str, durable: bool) -> None:
    path = tmp_path / name
    path.write_text("old")
    with pytest.raises(RuntimeError), replace_atomically(path, durable=durable) as temporary:
        write_half(temporary)
    with replace_atomically(path, durable=durable) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def make_text(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "a.txt").write_text(text)
    return path


def publish_text(target: Path, text: str) -> Path:
    def fill(new: Path) -> Path:
        (new / "a.txt").write_text(text)
        return target

    return publish_folder(target.parent, fill)


@pytest.mark.parametrize("kind", ["missing", "folder", "file", "link"])
def test_published_folder_replaces_anything(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "shown" / "models"
    target.parent.mkdir()
    if kind == "folder":
        make_text(target, "old")
    elif kind == "file":
        target.write_text("old")
    elif kind == "link":
        target.symlink_to(make_text(tmp_path / "elsewhere", "elsewhere"))
    assert publish_text(target, "new") == target
    assert (target / "a.txt").read_text() == "new"
    assert list(target.parent.iterdir()) == [target]
    assert kind != "link" or (tmp_path / "elsewhere" / "a.txt").read_text() == "elsewhere"


def test_failed_fill_leaves_the_previous_folder(tmp_path: Path) -> None:
    def fail(new: Path) -> Path:
        make_text(new / "half", "half")
        raise RuntimeError

    target = make_text(tmp_path / "models", "old")
    with pytest.raises(RuntimeError):
        publish_folder(tmp_path, fail)
    assert (target / "a.txt").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_leftovers_of_a_kill_are_removed_a_day_later(tmp_path: Path) -> None:
    old, young = tmp_path / ".loupe-new-aaaa", tmp_path / ".loupe-new-bbbb"
    for folder in (old, young):
        make_text(folder, "half")
    os.utime(old, (0, 0))
    publish_text(tmp_path / "models", "new")
    assert not old.exists()
    assert young.exists()


@pytest.mark.parametrize("is_new", [True, False], ids=["before", "after"])
def test_folder_is_restored_after_a_killed_replacement(tmp_path: Path, is_new: bool) -> None:
    """``is_new``: the kill came before the new folder was in place."""
    target, kept = tmp_path / "models", make_text(tmp_path / ".loupe-old-models", "old")
    if not is_new:
        make_text(target, "new")
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "gone", target)
    assert (target / "a.txt").read_text() == ("old" if is_new else "new")
    assert not kept.exists()
