"""Kills, full disks, folders that may not be written to: the former data or the new, never half."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model.backup import back_up, restore, restoring
from model.backup.opening import opened
from model.bundle import get_bundle
from model.corrections import correction_store
from model.errors import DataError
from model.settings import ROOT
from tests.model.backup.parts import beside, said, whole
from tests.model.tiny import tiny

KILLED = """
import os, signal, sys
from importlib import import_module
from pathlib import Path

command, file, where, when = sys.argv[1:]
if where == "limit":
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(when), int(when)))
else:
    room, name = where.split(":")
    owner = import_module(f"model.backup.{room}")
    if "." in name:
        owner, name = getattr(owner, name.split(".")[0]), name.split(".")[1]
    real = getattr(owner, name)

    def killing(*args, **kwargs):
        if when == "after":
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, killing)
from model.cli import main
main([command, file])
"""


def run(command: str, file: Path, where: str, when: str, **more: Any) -> tuple[int, str]:
    """A command in a process that is killed at some moment, or limited."""
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, command, str(file), where, when],
        cwd=ROOT,
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
        **more,
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    ("where", "when"),
    [
        ("saving:copied", "after"),
        ("saving:_added", "after"),
        ("saving:Path.replace", "before"),
        ("saving:Path.replace", "after"),
    ],
)
def test_a_kill_leaves_the_former_or_the_new_backup(
    own: Path, file: Path, where: str, when: str
) -> None:
    former = file.read_bytes()
    said(1, "later")
    assert run("backup", file, where, when)[0] == -signal.SIGKILL
    replaced = (where, when) == ("saving:Path.replace", "after")
    with opened(file) as archive:
        archive.verify()
        assert archive.contents.corrections == (4 if replaced else 3)
    assert (file.read_bytes() == former) == (not replaced)
    # What is left behind is removed a day later.
    for left in file.parent.glob(".loupe-backup-*"):
        os.utime(left, (0, 0))
    assert back_up(file).contents.corrections == 4
    assert beside(file.parent) == ["data", "loupe.zip"]


MOMENTS = [
    ("opening:Archive.verify", "after"),
    ("opening:Archive.unpack", "after"),
    ("restoring:counted", "after"),
    ("restoring:_settle", "after"),
    ("swapping:_exchanged", "before"),
    ("swapping:_exchanged", "after"),
    ("restoring:_keep", "after"),
]


@pytest.mark.parametrize(("where", "when"), MOMENTS)
def test_a_kill_leaves_the_former_or_the_new_data(
    own: Path, file: Path, where: str, when: str
) -> None:
    saved = whole(own)
    said(1, "later")
    tiny(own / "models", "younger")
    correction_store().close()
    present = whole(own)
    assert run("restore", file, where, when)[0] == -signal.SIGKILL
    swapped = MOMENTS.index((where, when)) > 4
    assert whole(own) == (saved if swapped else present)
    assert get_bundle("tiny").version
    if swapped:
        # The former data are whole, too, under one name or the other.
        (kept,) = [*own.parent.glob("data-before-*"), *own.parent.glob("data-restore-*/data")]
        assert whole(kept) == present
    restore(file)
    assert whole(own) == saved


def test_a_full_disk_leaves_everything_as_it_was(own: Path, file: Path) -> None:
    correction_store().close()
    before, former = whole(own), file.read_bytes()
    for command in ("backup", "restore"):
        code, said_by_it = run(command, file, "limit", "3000")
        assert code == 2, said_by_it
        assert "[data-refused]" in said_by_it
        assert "Traceback" not in said_by_it
        assert (whole(own), file.read_bytes()) == (before, former)
        assert beside(file.parent) == ["data", "loupe.zip"]


def test_too_little_space_is_said_before_anything_is_written(
    own: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = whole(own)
    monkeypatch.setattr(restoring, "SPARE", 2**60)
    with pytest.raises(DataError, match="MB are free. Free some space"):
        restore(file)
    assert (whole(own), beside(file.parent)) == (before, ["data", "loupe.zip"])


def no_longer_root() -> None:
    """A root's right to write where the mode forbids it is given up."""
    import ctypes

    ctypes.CDLL(None).prctl(24, 1)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


def test_a_folder_that_may_not_be_written_to_is_said(own: Path, file: Path) -> None:
    correction_store().close()
    before = whole(own)
    shut = file.parent / "shut"
    shut.mkdir(0o555)
    code, said_by_it = limited("backup", shut / "b.zip")
    assert code == 2
    assert said_by_it.endswith("[data-refused]\n")
    assert "Permission denied" in said_by_it
    for place in (own, own.parent):
        place.chmod(0o555)
    try:
        code, said_by_it = limited("restore", file)
    finally:
        for place in (own, own.parent):
            place.chmod(0o755)
    assert code == 2
    assert said_by_it.endswith("[data-refused]\n")
    assert whole(own) == before


def limited(command: str, file: Path) -> tuple[int, str]:
    return run(command, file, "limit", str(resource.RLIM_INFINITY), preexec_fn=no_longer_root)
