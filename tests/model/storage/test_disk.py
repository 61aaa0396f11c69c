"""Disk checks: folders that can't be written to, and errors from a full disk."""

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


def test_full_disk_gets_the_folder_as_its_file_name(full_disk: BinaryIO, tmp_path: Path) -> None:
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


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="other"), translate_disk_errors(tmp_path):
        raise ValueError("other")
