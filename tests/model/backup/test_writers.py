"""A backup is consistent while others write; an app that runs is not overtaken."""

import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from model import load
from model.backup import back_up, restore
from model.backup.contents import RECORDS
from model.corrections import correction_store
from model.errors import DataError
from model.settings import ROOT
from tests.model.backup.parts import JPEG, beside, labels, said, whole
from tests.model.tiny import colour, tiny


@contextmanager
def alongside(work: Callable[[], None], ended: threading.Event) -> Iterator[None]:
    """Work in another thread until the block ends."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_it_is_consistent_while_corrections_are_written(own: Path, tmp_path: Path) -> None:
    ended, written = threading.Event(), []

    def write() -> None:
        red = load("tiny").identify(colour("red"))
        while not ended.is_set():
            written.append(correction_store().add_correction(red, f"{len(written)}", JPEG))

    counts = []
    with alongside(write, ended):
        for number in range(8):
            before = len(written)
            saved = back_up(tmp_path / f"{number}.zip")
            assert saved.contents.corrections is not None
            assert 3 + before <= saved.contents.corrections <= 3 + len(written) + 1
            counts.append(saved.contents.corrections)
    correction_store().close()
    assert counts[-1] > counts[0]
    for number, count in enumerate(counts):
        restore(tmp_path / f"{number}.zip")
        # The first of them, without a gap.
        assert labels(own)[3:] == [str(index) for index in range(count - 3)]


def test_the_version_that_a_pointer_names_is_always_saved(own: Path, tmp_path: Path) -> None:
    ended = threading.Event()

    def write() -> None:
        for number in range(200):
            if ended.is_set():
                return
            tiny(own / "models", title=f"Number {number}")

    with alongside(write, ended):
        for number in range(8):
            back_up(tmp_path / f"{number}.zip")
    for number in range(8):
        with zipfile.ZipFile(tmp_path / f"{number}.zip") as saved:
            version = saved.read("models/tiny/current").decode()
            assert f"models/tiny/{version}/bundle.json" in saved.namelist()


def test_a_training_that_writes_meanwhile_is_refused(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = own / "training" / "flowers" / "epoch.bin"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"one")
    from model.backup import saving

    contents_of = saving._contents

    def trained(*given: Any) -> Any:
        state.write_bytes(b"another")
        return contents_of(*given)

    monkeypatch.setattr(saving, "_contents", trained)
    with pytest.raises(DataError, match="A training wrote"):
        back_up(tmp_path / "b.zip", training=True)
    assert beside(tmp_path) == ["data"]


def test_an_app_that_has_the_records_open_is_not_overtaken(own: Path, file: Path) -> None:
    said(1, "open")
    before = whole(own)
    with pytest.raises(DataError, match="running app has the records"):
        restore(file)
    assert whole(own) == before
    assert beside(file.parent) == ["data", "loupe.zip"]
    correction_store().close()
    restore(file)
    assert len(labels(own)) == 3


def test_what_a_killed_app_left_in_its_log_is_saved_and_kept(own: Path, tmp_path: Path) -> None:
    script = """
import os, signal, sys
from model import load
from model.corrections import correction_store
from tests.model.tiny import colour
correction_store().add_correction(load("tiny").identify(colour("red")), "last words", None)
os.kill(os.getpid(), signal.SIGKILL)
"""
    correction_store().close()
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert (own / f"{RECORDS}-wal").stat().st_size
    assert back_up(tmp_path / "b.zip").contents.corrections == 4
    done = restore(tmp_path / "b.zip")
    assert done.former is not None
    assert labels(own) == labels(done.former)
    assert labels(own)[-1] == "last words"
