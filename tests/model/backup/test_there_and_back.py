"""The data folder in one file and back."""

import hashlib
import json
import os
import zipfile
from pathlib import Path

import pytest

from model import load
from model.backup import FORMAT, back_up, restore
from model.backup.contents import CONTENTS, RECORDS
from model.bundle import list_versions
from model.corrections import correction_store
from model.settings import settings
from tests.model.backup.parts import JPEG, beside, labels, said, whole
from tests.model.tiny import colour, tiny


def test_a_new_machine_answers_as_the_former_one(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = whole(own)
    answers = [load("tiny").identify(colour(name)).answer for name in ("red", "blue")]
    current = [
        (one.version, one.current, one.created.replace(microsecond=0))
        for one in list_versions("tiny")
    ]
    saved = back_up(tmp_path / "b.zip")
    assert (saved.contents.models, saved.contents.corrections) == (("calibrated", "tiny"), 3)
    assert saved.left_out == ()
    monkeypatch.setenv("LOUPE_DATA", str(tmp_path / "new" / "machine"))
    settings.cache_clear()
    correction_store().close()
    correction_store.cache_clear()
    done = restore(tmp_path / "b.zip")
    assert (done.data, done.former, done.corrections) == (tmp_path / "new/machine", None, 3)
    assert whole(done.data) == before
    assert [load("tiny").identify(colour(name)).answer for name in ("red", "blue")] == answers
    assert [
        (one.version, one.current, one.created.replace(microsecond=0))
        for one in list_versions("tiny")
    ] == current
    assert [one.label for one in correction_store().iter_corrections()] == [
        "word 0",
        "word 1",
        "word 2",
    ]
    assert correction_store().get_photo(2) == JPEG
    said(1, "the next")
    assert [one.id for one in correction_store().iter_corrections()] == [1, 2, 3, 4]
    assert beside(done.data.parent) == ["machine"]


def test_the_former_data_are_kept(own: Path, file: Path, tmp_path: Path) -> None:
    saved = whole(own)
    said(2, "later")
    tiny(own / "models", "younger")
    correction_store().close()
    present = whole(own)
    done = restore(file)
    assert whole(own) == saved
    assert done.former is not None
    assert done.former.name.startswith("data-before-restore-")
    assert whole(done.former) == present
    again = restore(file)
    assert again.former not in (None, done.former)
    assert len(beside(tmp_path)) == 4  # the data, two former ones, the backup


def test_an_id_that_was_deleted_is_not_given_again(own: Path, tmp_path: Path) -> None:
    correction_store().delete(3)
    back_up(tmp_path / "b.zip")
    correction_store().close()
    restore(tmp_path / "b.zip")
    said(1)
    assert [one.id for one in correction_store().iter_corrections()] == [1, 2, 4]


def test_the_file_is_a_plain_zip_for_its_owner_alone(own: Path, file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(file) as opened_file:
        assert opened_file.testzip() is None
        assert {info.compress_type for info in opened_file.infolist()} == {zipfile.ZIP_STORED}
        listed = json.loads(opened_file.read(CONTENTS))
        assert listed["format"] == FORMAT
        assert {entry["path"]: entry["bytes"] for entry in listed["files"]} == {
            info.filename: info.file_size
            for info in opened_file.infolist()
            if info.filename != CONTENTS
        }
        (entry,) = (one for one in listed["files"] if one["path"] == RECORDS)
        assert hashlib.sha256(opened_file.read(RECORDS)).hexdigest() == entry["sha256"]
    assert beside(file.parent) == ["data", "loupe.zip"]


def test_neither_secrets_nor_what_is_not_ours_is_saved(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_SECRET", "hidden-word")
    settings.cache_clear()
    (own / ".streamlit").mkdir()
    (own / ".streamlit" / "secrets.toml").write_text('LOUPE_SECRET = "hidden-word"')
    (own / "notes").mkdir()
    (own / "notes" / "keys.txt").write_text("hidden-word")
    (own / "models" / ".new-half").mkdir()
    (own / "models" / ".new-half" / "graph.onnx").write_text("hidden-word")
    (own / "models" / "linked").symlink_to(tmp_path)
    (own / "models" / "tiny" / "link.txt").symlink_to("/etc/hostname")
    os.mkfifo(own / "models" / "tiny" / "pipe")
    (own / "training" / "big").mkdir(parents=True)
    (own / "training" / "big" / "plan.json").write_text("{}")
    saved = back_up(tmp_path / "b.zip")
    assert saved.left_out == ("notes", "models/linked", "models/tiny/link.txt", "models/tiny/pipe")
    assert b"hidden-word" not in (tmp_path / "b.zip").read_bytes()
    assert "training/big/plan.json" not in {one.path for one in saved.contents.files}
    saved = back_up(tmp_path / "b.zip", training=True)
    assert "training/big/plan.json" in {one.path for one in saved.contents.files}


def test_without_records_the_present_ones_stay(own: Path, tmp_path: Path) -> None:
    saved = back_up(tmp_path / "b.zip", records=False)
    assert saved.contents.corrections is None
    back_up(tmp_path / "all.zip")
    said(1, "later")
    correction_store().close()
    for name, wanted in (("b.zip", True), ("all.zip", False)):
        done = restore(tmp_path / name, records=wanted)
        assert done.corrections is None
        assert labels(own) == ["word 0", "word 1", "word 2", "later 0"]
