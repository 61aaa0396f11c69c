"""``model.storage.disk``: files and folders are replaced as a whole or left as they were."""

import os
from pathlib import Path

import pytest

from model.storage.disk import publish_folder, replace_atomically, replace_folder


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


def make_folder(path: Path, text: str) -> Path:
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
        make_folder(target, "old")
    elif kind == "file":
        target.write_text("old")
    elif kind == "link":
        target.symlink_to(make_folder(tmp_path / "elsewhere", "elsewhere"))
    assert publish_text(target, "new") == target
    assert (target / "a.txt").read_text() == "new"
    assert list(target.parent.iterdir()) == [target]
    assert kind != "link" or (tmp_path / "elsewhere" / "a.txt").read_text() == "elsewhere"


def test_failed_fill_leaves_the_previous_folder(tmp_path: Path) -> None:
    def fail(new: Path) -> Path:
        make_folder(new / "half", "half")
        raise RuntimeError

    target = make_folder(tmp_path / "models", "old")
    with pytest.raises(RuntimeError):
        publish_folder(tmp_path, fail)
    assert (target / "a.txt").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_leftovers_of_a_kill_are_removed_a_day_later(tmp_path: Path) -> None:
    old, young = tmp_path / ".loupe-new-aaaa", tmp_path / ".loupe-new-bbbb"
    for folder in (old, young):
        make_folder(folder, "half")
    os.utime(old, (0, 0))
    publish_text(tmp_path / "models", "new")
    assert not old.exists()
    assert young.exists()


@pytest.mark.parametrize("is_new", [True, False], ids=["before", "after"])
def test_folder_of_a_killed_replacement_comes_back(tmp_path: Path, is_new: bool) -> None:
    """``is_new``: the kill came before the new folder was in place."""
    target, kept = tmp_path / "models", make_folder(tmp_path / ".loupe-old-models", "old")
    if not is_new:
        make_folder(target, "new")
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "gone", target)
    assert (target / "a.txt").read_text() == ("old" if is_new else "new")
    assert not kept.exists()
