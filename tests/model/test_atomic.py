"""``model.atomic``: a file is replaced whole or left as it was."""

from pathlib import Path

import pytest

from model.atomic import fsync_path, replace_atomically


def write_half(path: Path) -> None:
    path.write_text("half")
    raise RuntimeError


@pytest.mark.parametrize("durable", [False, True])
def test_block_that_succeeds_replaces_the_file(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with replace_atomically(path, durable=durable) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_block_that_raises_leaves_the_file_and_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replace_atomically(path) as temporary:
        write_half(temporary)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_concurrent_writers_use_different_files(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    with replace_atomically(path) as first:
        with replace_atomically(path) as second:
            assert first != second
            second.write_text("second")
        first.write_text("first")
    assert path.read_text() == "first"


def test_long_name_still_fits_the_file_system(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250)
    with replace_atomically(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_fsync_accepts_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    fsync_path(tmp_path / "a")
    fsync_path(tmp_path)
