"""Tests of ``model.backup``: a data folder in one file, made while others write, and back."""

import hashlib
import json
import os
import signal
import stat
import threading
import zipfile
from pathlib import Path

import pytest

from model import load
from model.answer.share_link import KEY_FILE
from model.backup import CONTENTS, CORRECTIONS_FILE, back_up, restore
from model.bundle import list_versions
from model.corrections import correction_store
from model.errors import DataError
from model.settings import settings
from tests.model.backup.helpers import JPEG, add_corrections, labels, names, state
from tests.model.tiny import colour, tiny
from tests.python import run_python
from tests.waiting import in_threads


def versions() -> list[tuple]:
    return [
        (version.version, version.current, version.created.replace(microsecond=0))
        for version in list_versions("tiny")
    ]


def use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the app use another data folder."""
    correction_store().close()
    correction_store.cache_clear()
    monkeypatch.setenv("LOUPE_DATA", str(folder))
    settings.cache_clear()


def test_restored_folder_answers_as_the_saved_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, saved_versions = state(data), versions()
    answers = [load("tiny").identify(colour(name)).answer for name in ("red", "blue")]
    saved, left_out = back_up(tmp_path / "b.zip")
    assert (saved.models, saved.corrections) == (("calibrated", "tiny"), 3)
    assert left_out == []
    folder = tmp_path / "new" / "machine"
    assert restore(tmp_path / "b.zip", folder) == saved
    assert state(folder) == before
    assert (folder / KEY_FILE).read_text() == "a key that signs links"
    use(folder, monkeypatch)
    assert versions() == saved_versions
    assert [load("tiny").identify(colour(name)).answer for name in ("red", "blue")] == answers
    assert correction_store().get_photo(2) == JPEG
    add_corrections("the next")
    corrections = [(kept.id, kept.label) for kept in correction_store().iter_corrections()]
    assert corrections == [(1, "one"), (2, "two"), (3, "three"), (4, "the next")]
    assert names(folder.parent) == ["machine"]


def test_restore_fills_an_empty_folder_and_a_new_volume(
    data: Path, backup: Path, tmp_path: Path
) -> None:
    for name in ("empty", "volume/lost+found"):
        (tmp_path / name).mkdir(parents=True)
        folder = tmp_path / name.split("/")[0]
        restore(backup, folder)
        assert state(folder) == state(data)


def test_restore_overwrites_nothing(data: Path, backup: Path, tmp_path: Path) -> None:
    before = state(data)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").write_text("mine")
    for folder in (data, tmp_path / "used"):
        with pytest.raises(DataError, match=r"isn't empty.*new folder with --to, then set LOUPE"):
            restore(backup, folder)
    with pytest.raises(FileExistsError):
        restore(backup, backup)
    assert state(data) == before
    assert names(tmp_path / "used") == ["notes.txt"]
    assert names(tmp_path) == ["data", "loupe.zip", "used"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_restored_files_are_private(backup: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    restore(backup, folder)
    for path in (folder, *folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == 0o600 if path.is_file() else path != folder or mode == 0o700


def test_backup_is_a_plain_zip_for_its_owner_alone(data: Path, backup: Path) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600 or os.name == "nt"
    with zipfile.ZipFile(backup) as opened:
        assert opened.testzip() is None
        assert {info.compress_type for info in opened.infolist()} == {zipfile.ZIP_STORED}
        contents = json.loads(opened.read(CONTENTS))
        assert contents["format"] == 1
        assert {entry["path"]: entry["bytes"] for entry in contents["files"]} == {
            info.filename: info.file_size for info in opened.infolist() if info.filename != CONTENTS
        }
        (entry,) = (entry for entry in contents["files"] if entry["path"] == CORRECTIONS_FILE)
        assert hashlib.sha256(opened.read(CORRECTIONS_FILE)).hexdigest() == entry["sha256"]
    assert names(backup.parent) == ["data", "loupe.zip"]


def test_backup_leaves_out_foreign_files(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_SECRET", "hidden-word")
    settings.cache_clear()
    for name in (".streamlit/secrets.toml", "notes/keys.txt", "models/.new-half/graph.onnx"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_text("hidden-word")
    (data / "models" / "linked").symlink_to(tmp_path)
    (data / "models" / "tiny" / "link.txt").symlink_to("/etc/hostname")
    os.mkfifo(data / "models" / "tiny" / "pipe")
    (data / "training" / "big").mkdir(parents=True)
    (data / "training" / "big" / "plan.json").write_text("{}")
    (data / "runs" / "1").mkdir(parents=True)
    (data / "runs" / "1" / "run.json").write_text("{}")
    _, left_out = back_up(tmp_path / "b.zip")
    assert left_out == ["models/linked", "models/tiny/link.txt", "models/tiny/pipe", "notes"]
    with zipfile.ZipFile(tmp_path / "b.zip") as opened:
        assert "training/big/plan.json" not in opened.namelist()
        assert "runs/1/run.json" in opened.namelist()
    assert b"hidden-word" not in (tmp_path / "b.zip").read_bytes()


def test_corrections_can_be_left_out(data: Path, backup: Path, tmp_path: Path) -> None:
    assert back_up(tmp_path / "b.zip", corrections=False)[0].corrections is None
    for number, (file, corrections) in enumerate([(tmp_path / "b.zip", True), (backup, False)]):
        folder = tmp_path / str(number)
        assert restore(file, folder, corrections=corrections).corrections is None
        assert names(folder) == [KEY_FILE, "models"]


# While others write


def test_backup_is_consistent_while_corrections_are_written(data: Path, tmp_path: Path) -> None:
    ended, written = threading.Event(), list[int]()

    def write() -> None:
        red = load("tiny").identify(colour("red"))
        while not ended.is_set():
            written.append(correction_store().add_correction(red, f"{len(written)}", JPEG))

    counts: list[int] = []
    with in_threads(ended, write):
        while len(counts) < 5 or counts[-1] == counts[0]:
            before = len(written)
            saved, _ = back_up(tmp_path / f"{len(counts)}.zip")
            assert saved.corrections is not None
            assert 3 + before <= saved.corrections <= 3 + len(written) + 1
            counts.append(saved.corrections)
    correction_store().close()
    for number, count in enumerate(counts):
        restore(tmp_path / f"{number}.zip", tmp_path / str(number))
        # The first of them, without a gap.
        assert labels(tmp_path / str(number))[3:] == [str(index) for index in range(count - 3)]


def test_backup_holds_the_version_that_is_current_in_it(data: Path, tmp_path: Path) -> None:
    ended = threading.Event()

    def write() -> None:
        for number in range(200):
            if ended.is_set():
                return
            tiny(data / "models", title=f"Number {number}")

    with in_threads(ended, write):
        for number in range(5):
            back_up(tmp_path / f"{number}.zip")
    for number in range(5):
        with zipfile.ZipFile(tmp_path / f"{number}.zip") as saved:
            version = saved.read("models/tiny/current").decode()
            assert f"models/tiny/{version}/bundle.json" in saved.namelist()


def test_backup_includes_the_write_ahead_log_of_a_killed_app(data: Path, tmp_path: Path) -> None:
    script = """
import os, signal
from model import load
from model.corrections import correction_store
from tests.model.tiny import colour
correction_store().add_correction(load("tiny").identify(colour("red")), "last words", None)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run_python("-c", script, check=False).returncode == -signal.SIGKILL
    assert (data / f"{CORRECTIONS_FILE}-wal").stat().st_size
    assert back_up(tmp_path / "b.zip")[0].corrections == 4
    restore(tmp_path / "b.zip", tmp_path / "new")
    assert labels(tmp_path / "new")[-1] == "last words"
