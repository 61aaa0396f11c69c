"""Tests of ``backup`` and ``restore``: photos, runs, sign-ins, and names for other disks."""

import io
import itertools
import os
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pathvalidate import sanitize_filename

from model import backup, load
from model.backup import back_up, restore
from model.backup_zip import CONTENTS, Entry
from model.corrections import correction_store
from model.corrections.review import write_training_photos
from model.errors import DataError
from model.evaluation.held_out import compare_versions, count_uses, save_held_out
from model.settings import settings
from model.sign_ins import SignIns
from model.storage import disk, zips
from model.storage.photo_files import open_photos
from model.training.config import TrainingConfig
from model.training.photo_sets import change_photos, get_photo_set, photos_by_label, save_zip
from model.training.run_record import list_runs
from model.training.training_job import get_run_dir, unfinished_runs
from tests.model.command import run
from tests.model.tiny import colour, tiny
from tests.model.training.conftest import new_run
from tests.photos import encoded
from tests.waiting import repeatedly
from tests.zips import zipped

RED, GREEN, BLUE = (encoded(colour(name), "JPEG") for name in ("red", "green", "blue"))
PHOTOS = {"red/a.jpg": RED, "green/b.jpg": GREEN, "green/c.jpg": BLUE}

pytestmark = pytest.mark.usefixtures("own_corrections")


def files_of(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, except databases and locks, with their bytes."""
    paths = [path for path in folder.rglob("*") if path.is_file() and ".sqlite" not in path.name]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return {path: data for path, data in files.items() if not path.endswith(".lock")}


def put(data: Path, *names: str) -> dict[str, bytes]:
    """Write files whose content is their name into a set; return all files of the data folder."""
    for name in names:
        (path := data / "photos" / "hats" / name).parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))
    return files_of(data)


def test_restored_workshop_has_the_same_photos_runs_and_sign_ins(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tiny(models_dir), tiny(models_dir, corner=True)
    save_zip("hats", io.BytesIO(zipped({**PHOTOS, "blue/d.jpg": BLUE})), mode="new")
    hats = get_photo_set("hats")
    change_photos(hats, dict.fromkeys(photos_by_label(hats).by_label["blue"], "navy"))
    save_held_out("tiny", open_photos(zipped(PHOTOS), 100))
    compare_versions(old, new)
    store, answer = correction_store(), load("tiny").identify(colour("red"))
    store.add_correction(answer, "scarlet", RED, wording="tap-photo-1")
    store.review([1], "kept")
    write_training_photos(store, "tiny")
    token = SignIns(settings().database_url).open()
    stopped = {"folder": hats.folder, "changes": hats.changes_file, "photo_set": "hats"}
    run_record = new_run(name="hats", **stopped)
    get_run_dir("hats").mkdir(parents=True)
    TrainingConfig.create(name="hats", run=run_record.number, **stopped).save(get_run_dir("hats"))
    for name in ("checkpoint.pt", "features.npz"):
        (get_run_dir("hats") / name).write_bytes(b"x")
    before, labels = files_of(settings().data), photos_by_label(hats)

    result = run("backup", tmp_path / "b.zip")
    assert (result.exit_code, result.stderr) == (0, "")
    restored = tmp_path / "restored"
    run("restore", tmp_path / "b.zip", "--to", restored)
    correction_store().close()
    after = files_of(restored)
    assert before.keys() - after.keys() == {"training/hats/features.npz"}
    assert after.items() <= before.items()
    monkeypatch.setenv("LOUPE_DATA", str(restored))
    settings.cache_clear()
    hats = get_photo_set("hats")
    assert photos_by_label(hats) == labels
    assert (count_uses("tiny"), list_runs()) == (1, [run_record])
    (unfinished,) = unfinished_runs()
    assert (unfinished.folder, unfinished.changes) == (hats.folder, hats.changes_file)
    assert SignIns(settings().database_url).has(token)


def test_photos_can_be_left_out(data_folder: Path, tmp_path: Path) -> None:
    put(data_folder, "red/a.jpg")
    for name in ("held-out/hats/red/a.jpg", "corrections/hats/red/b.jpg", "link.key"):
        (data_folder / name).parent.mkdir(parents=True, exist_ok=True)
        (data_folder / name).write_text("x")
    for words, expected in (
        (("--without", "photos"), {"link.key"}),
        (("--without-records",), {"link.key", "held-out/hats/red/a.jpg", "photos/hats/red/a.jpg"}),
    ):
        result = run("backup", tmp_path / "b.zip", *words)
        assert (result.exit_code, result.stderr) == (0, "")
        with zipfile.ZipFile(tmp_path / "b.zip") as saved:
            assert {*saved.namelist()} == {*expected, CONTENTS}


def test_too_many_files_are_refused_before_anything_is_written(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(data_folder, "red/a.jpg", "red/b.jpg")
    (data_folder / "link.key").write_text("x")
    monkeypatch.setattr(backup, "MAX_FILES", 2)
    monkeypatch.setattr(backup, "_add", None)
    with pytest.raises(DataError, match=r"3 files; a backup holds up to 2\. .*--without photos"):
        back_up(tmp_path / "b.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    monkeypatch.undo()


@pytest.mark.slow
def test_more_files_than_an_ordinary_zip_counts_are_saved(
    data_folder: Path, tmp_path: Path
) -> None:
    put(data_folder, *(f"red/{number}.jpg" for number in range(2**16)))
    # `back_up` reads the finished zip again.
    assert len(back_up(tmp_path / "b.zip")[0].files) == 2**16


ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other disks refuse such names")
ODD = ("con/a.jpg", "a:b/a.jpg", "end. /a.jpg", "x\\..\\y", "Hat/a.jpg", "hat/a.jpg", "hat/A.JPG")


@ON_LINUX
def test_names_that_some_disks_refuse_are_restored(data_folder: Path, tmp_path: Path) -> None:
    before = put(data_folder, *ODD, "u\u0308/a.jpg", "\u00fc/a.jpg", f"{',' * 250}/" * 2 + "a.jpg")
    saved, left_out = back_up(tmp_path / "b.zip")
    restore(tmp_path / "b.zip", tmp_path / "restored")
    assert (left_out, files_of(tmp_path / "restored")) == ([], before)
    with zipfile.ZipFile(tmp_path / "b.zip") as opened:
        names = opened.namelist()
    assert all(map(zips.is_portable_path, names))
    assert not [*zips.find_clashes(names)]
    assert {entry.path for entry in saved.files} == before.keys()


@ON_LINUX
def test_names_get_a_suffix_on_a_disk_that_does_not_take_them(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_taken(path: Path) -> bool:
        names = [other.name for other in path.parent.iterdir()]
        return zips.disk_key(path.name) in map(zips.disk_key, names)

    put(data_folder, *ODD)
    back_up(tmp_path / "b.zip")
    monkeypatch.setattr(os.path, "lexists", is_taken)
    windows = partial(sanitize_filename, replacement_text="_", platform="windows")
    monkeypatch.setattr(disk, "sanitize_filename", lambda name, **_: windows(name))
    restore(tmp_path / "b.zip", tmp_path / "restored")
    monkeypatch.undo()
    assert {path: data.decode() for path, data in files_of(tmp_path / "restored").items()} == {
        "photos/hats/x_.._y": "x\\..\\y",
        "photos/hats/Hat/a.jpg": "Hat/a.jpg",
        "photos/hats/a_b/a.jpg": "a:b/a.jpg",
        "photos/hats/con_/a.jpg": "con/a.jpg",
        "photos/hats/end/a.jpg": "end. /a.jpg",
        "photos/hats/hat (2)/A.JPG": "hat/A.JPG",
        "photos/hats/hat (2)/a (2).jpg": "hat/a.jpg",
    }


# While others write


@pytest.mark.parametrize(
    "save",
    [
        lambda archive: save_zip("hats", io.BytesIO(archive), mode="replace"),
        lambda archive: save_held_out("hats", open_photos(archive, 100)),
    ],
    ids=["photos", "held-out"],
)
def test_photos_are_saved_as_of_one_moment(
    data_folder: Path, tmp_path: Path, save: Callable[[bytes], object]
) -> None:
    versions = [{f"{name}/{n}.jpg": b"\xff\xd8" + b"x" * n for n in range(99)} for name in "ab"]
    archives = itertools.cycle([zipped(files) for files in versions])
    save(next(archives))
    with repeatedly(lambda: save(next(archives)), 0.001):
        for number in range(4):
            saved, left_out = back_up(tmp_path / f"{number}.zip")
            assert (len(saved.files), left_out) == (99, [])
            assert len({entry.path.split("/")[2] for entry in saved.files}) == 1


def test_photo_deleted_meanwhile_is_named(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(data_folder, "red/a.jpg", "red/b.jpg")
    real = backup._add

    def add(*words: Any) -> Entry:
        (data_folder / "photos/hats/red/b.jpg").unlink(missing_ok=True)
        return real(*words)

    monkeypatch.setattr(backup, "_add", add)
    saved, left_out = back_up(tmp_path / "b.zip")
    assert [entry.path for entry in saved.files] == ["photos/hats/red/a.jpg"]
    assert left_out == ["photos/hats/red/b.jpg, which was deleted meanwhile"]


def test_set_that_a_kill_left_hidden_is_saved(data_folder: Path, tmp_path: Path) -> None:
    before = put(data_folder, "red/a.jpg")
    (data_folder / "photos/hats").rename(data_folder / "photos/.loupe-old-hats")
    back_up(tmp_path / "b.zip")
    restore(tmp_path / "b.zip", tmp_path / "restored")
    assert files_of(tmp_path / "restored") == before
