"""Tests of ``model.backup`` under kills and full disks: the previous backup or the new one."""

import os
import signal
from pathlib import Path

import pytest

from model.backup import back_up, restore
from model.errors import DataError
from model.storage import disk
from tests.model.backup.helpers import add_corrections, names, state
from tests.python import run_python

KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from model import backup

place, when, *words = sys.argv[1:]
if place == "limit":
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(when), int(when)))
else:
    owner, _, name = place.rpartition(".")
    owner = {"Path": Path, "shutil": shutil}.get(owner, backup)
    real = getattr(owner, name)

    def killing(*args, **kwargs):
        if when == "after":
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, killing)
from model.cli import main
main(words)
"""


def run(place: str, when: str, *words: object) -> tuple[int, str]:
    """Run a command in a process that is killed at some moment, or limited."""
    ended = run_python("-c", KILLED, place, when, *words, check=False)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    ("place", "when"),
    [("_copy_corrections", "after"), ("_add", "after"), ("Path.replace", "before")],
)
def test_kill_leaves_the_previous_backup(data: Path, backup: Path, place: str, when: str) -> None:
    previous = backup.read_bytes()
    add_corrections("later")
    assert run(place, when, "backup", backup)[0] == -signal.SIGKILL
    assert backup.read_bytes() == previous
    assert back_up(backup)[0].corrections == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "when"), [("shutil.copyfileobj", "after"), ("Path.rename", "before")]
)
def test_kill_of_a_restore_leaves_nothing_in_the_way(
    data: Path, backup: Path, tmp_path: Path, place: str, when: str
) -> None:
    folder = tmp_path / "new"
    assert run(place, when, "restore", backup, "--to", folder)[0] == -signal.SIGKILL
    assert all(name.startswith(".") for name in names(folder))
    restore(backup, folder)
    assert state(folder) == state(data)
    assert not [name for name in names(folder) if name.startswith(".")]


@pytest.mark.slow
def test_full_disk_leaves_everything_as_it_was(data: Path, backup: Path, tmp_path: Path) -> None:
    before, previous = state(data), backup.read_bytes()
    for words, message in (
        (("backup", backup), "The corrections can't be opened"),
        (("backup", backup, "--without-records"), "File too large"),
        (("restore", backup, "--to", tmp_path / "new"), "File too large"),
    ):
        code, stderr = run("limit", "3000", *words)
        assert code == 2, stderr
        assert "Traceback" not in stderr
        assert message in stderr
        assert (state(data), backup.read_bytes()) == (before, previous)
        assert names(tmp_path) == ["data", "loupe.zip", "new"][: len(names(tmp_path))]
    assert names(tmp_path / "new") == []


def test_too_little_space_is_reported_before_anything_is_unpacked(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "RESERVED_BYTES", 2**60)
    with pytest.raises(DataError, match="can be used. Free some disk space"):
        restore(backup, tmp_path / "new")
    assert names(tmp_path) == ["data", "loupe.zip"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_write_permission_is_reported(backup: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(0o555)
    for attempt in (
        lambda: back_up(locked / "b.zip"),
        lambda: restore(backup, locked / "new"),
        lambda: restore(backup, locked),
    ):
        with pytest.raises(PermissionError, match=r"locked"):
            attempt()
