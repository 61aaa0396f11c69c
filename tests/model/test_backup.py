"""The data folder in one file and back: consistent while others write, whole after a kill."""

import hashlib
import json
import os
import resource
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from model import Photo, load
from model.backup import FORMAT, back_up, restore, restoring
from model.backup.contents import CONTENTS, RECORDS, clash, odd
from model.backup.opening import opened
from model.errors import ArchiveError, DataError
from model.records import Records, records
from model.settings import ROOT, settings
from model.shelf import find
from model.versions import versions
from tests.model.tiny import CALIBRATED, colour, tiny

JPEG = Photo.from_image(colour("red")).to_jpeg()


@pytest.fixture
def own(data_folder: Path, shelf: Path) -> Iterator[Path]:
    """A data folder in use: two models, one with two versions, and three corrections."""
    records.cache_clear()
    tiny(shelf, title="Former")
    tiny(shelf)
    tiny(shelf, "calibrated", confidence=CALIBRATED)
    said(3)
    yield data_folder
    records().close()
    records.cache_clear()


@pytest.fixture
def file(own: Path, tmp_path: Path) -> Path:
    """A backup of that folder, which nobody has open any more."""
    target = tmp_path / "loupe.zip"
    back_up(target)
    records().close()
    return target


def said(count: int, word: str = "word") -> None:
    red = load("tiny").identify(colour("red"))
    for number in range(count):
        records().add_correction(red, f"{word} {number}", JPEG if number % 2 else None)


def labels(data: Path) -> list[str]:
    with closing(Records(f"sqlite:///{data / RECORDS}")) as kept:
        return [one.label for one in kept.corrections()]


def whole(data: Path) -> dict[str, str]:
    """Every file of a data folder by its hash, the records by their rows."""
    found = {
        path.relative_to(data).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(data.rglob("*"))
        if path.is_file() and not path.name.startswith(RECORDS)
    }
    if (data / RECORDS).exists():
        with closing(sqlite3.connect(data / RECORDS)) as kept:
            rows = kept.execute("SELECT * FROM corrections ORDER BY id").fetchall()
        found[RECORDS] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


def beside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# There and back


def test_a_new_machine_answers_as_the_former_one(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = whole(own)
    answers = [load("tiny").identify(colour(name)).answer for name in ("red", "blue")]
    current = [
        (one.version, one.current, one.made.replace(microsecond=0)) for one in versions("tiny")
    ]
    saved = back_up(tmp_path / "b.zip")
    assert (saved.contents.models, saved.contents.corrections) == (("calibrated", "tiny"), 3)
    assert saved.left_out == ()
    monkeypatch.setenv("LOUPE_DATA", str(tmp_path / "new" / "machine"))
    settings.cache_clear()
    records().close()
    records.cache_clear()
    done = restore(tmp_path / "b.zip")
    assert (done.data, done.former, done.corrections) == (tmp_path / "new/machine", None, 3)
    assert whole(done.data) == before
    assert [load("tiny").identify(colour(name)).answer for name in ("red", "blue")] == answers
    assert [
        (one.version, one.current, one.made.replace(microsecond=0)) for one in versions("tiny")
    ] == current
    assert [one.label for one in records().corrections()] == ["word 0", "word 1", "word 2"]
    assert records().photo(2) == JPEG
    said(1, "the next")
    assert [one.id for one in records().corrections()] == [1, 2, 3, 4]
    assert beside(done.data.parent) == ["machine"]


def test_the_former_data_are_kept(own: Path, file: Path, tmp_path: Path) -> None:
    saved = whole(own)
    said(2, "later")
    tiny(own / "models", "younger")
    records().close()
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
    records().delete(3)
    back_up(tmp_path / "b.zip")
    records().close()
    restore(tmp_path / "b.zip")
    said(1)
    assert [one.id for one in records().corrections()] == [1, 2, 4]


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
    records().close()
    for name, wanted in (("b.zip", True), ("all.zip", False)):
        done = restore(tmp_path / name, records=wanted)
        assert done.corrections is None
        assert labels(own) == ["word 0", "word 1", "word 2", "later 0"]


# While others write


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
            written.append(records().add_correction(red, f"{len(written)}", JPEG))

    counts = []
    with alongside(write, ended):
        for number in range(8):
            before = len(written)
            saved = back_up(tmp_path / f"{number}.zip")
            assert saved.contents.corrections is not None
            assert 3 + before <= saved.contents.corrections <= 3 + len(written) + 1
            counts.append(saved.contents.corrections)
    records().close()
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
    records().close()
    restore(file)
    assert len(labels(own)) == 3


def test_what_a_killed_app_left_in_its_log_is_saved_and_kept(own: Path, tmp_path: Path) -> None:
    script = """
import os, signal, sys
from model import load
from model.records import records
from tests.model.tiny import colour
records().add_correction(load("tiny").identify(colour("red")), "last words", None)
os.kill(os.getpid(), signal.SIGKILL)
"""
    records().close()
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert (own / f"{RECORDS}-wal").stat().st_size
    assert back_up(tmp_path / "b.zip").contents.corrections == 4
    done = restore(tmp_path / "b.zip")
    assert done.former is not None
    assert labels(own) == labels(done.former)
    assert labels(own)[-1] == "last words"


# Damage and malice

Files = dict[str, bytes]


def packed(
    files: Files,
    target: Path,
    change: Callable[[dict[str, Any]], None] = lambda _: None,
    method: int = zipfile.ZIP_STORED,
) -> Path:
    """A backup by somebody else: those files, and contents that fit them unless changed."""
    values: dict[str, Any] = {
        "format": FORMAT,
        "made": "2026-01-02T03:04:05Z",
        "versions": {},
        "corrections": None,
        "files": [
            {
                "path": path,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "modified": 1_700_000_000,
            }
            for path, data in files.items()
        ],
    }
    change(values)
    with zipfile.ZipFile(target, "w", method) as zipped:
        for path, data in files.items():
            zipped.writestr(path, data)
        zipped.writestr(CONTENTS, json.dumps(values))
    return target


def refused(file: Path, match: str, own: Path) -> None:
    """Refused, and nothing was written anywhere."""
    before, around = whole(own), beside(own.parent)
    with pytest.raises(ArchiveError, match=match):
        restore(file)
    assert (whole(own), beside(own.parent)) == (before, around)


@pytest.mark.parametrize(
    "path",
    [
        "../escaped.txt",
        "models/../../escaped.txt",
        "/etc/passwd",
        "models//x/y",
        "models/x/./y",
        "models/x/..",
        "models/x/.hidden",
        "models/x/end.",
        "models/x/end ",
        "models/C:\\x",
        "models/..\\..\\x",
        "models/x/a\nb",
        "models/" + "x" * 300 + "/y",
        "models/" + "x/" * 300 + "y",
        "secrets.toml",
        "other/x",
        "records.sqlite/x",
        "models",
        "records.sqlite-wal",
        " models/x",
    ],
)
def test_no_path_leaves_its_folder(own: Path, tmp_path: Path, path: str) -> None:
    assert odd(path)
    records().close()
    refused(packed({path: b"x"}, tmp_path / "evil.zip"), "This backup names|as Loupe writes", own)


@pytest.mark.parametrize(
    "paths",
    [
        ["models/x/y", "models/x/y/z"],
        ["models/x/y/z", "models/x/y"],
        ["models/x/Y", "models/x/y"],
        ["models/x/\u00fc", "models/x/u\u0308"],
        ["models/X/a", "models/x"],
    ],
)
def test_no_path_is_two(own: Path, tmp_path: Path, paths: list[str]) -> None:
    assert clash(paths) == paths[1]
    assert clash(paths[:1]) is None
    records().close()
    refused(packed(dict.fromkeys(paths, b"x"), tmp_path / "evil.zip"), "twice, or below", own)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda values: values.update(format=FORMAT + 1), "Update Loupe"),
        (lambda values: values.update(format=FORMAT - 1), "with the Loupe that wrote it"),
        (lambda values: values.update(format="1"), "format"),
        (lambda values: values.pop("format"), "format"),
        (lambda values: values.update(more=1), "more"),
        (lambda values: values.update(made="yesterday"), "made"),
        (lambda values: values.update(corrections=-1), "corrections"),
        (lambda values: values["files"][0].update(bytes=5), "other files than"),
        (lambda values: values["files"][0].update(bytes=-5), "files.0.bytes"),
        (lambda values: values["files"][0].update(sha256="0" * 64), "not as it was saved"),
        (lambda values: values["files"][0].update(sha256="x"), "sha256"),
        (lambda values: values["files"][0].update(modified=2**70), "modified"),
        (lambda values: values["files"].pop(), "other files than"),
        (lambda values: values["files"].append(values["files"][0]), "twice"),
        (lambda values: values["files"][0].update(path="models/a/c"), "other files than"),
    ],
)
def test_contents_that_do_not_fit_are_refused(
    own: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], match: str
) -> None:
    records().close()
    refused(packed({"models/a/b": b"data"}, tmp_path / "evil.zip", change), match, own)


def test_links_compression_passwords_and_foreign_zips_are_refused(
    own: Path, tmp_path: Path
) -> None:
    records().close()
    evil = tmp_path / "evil.zip"
    refused(packed({"models/a/b": bytes(9999)}, evil, method=zipfile.ZIP_DEFLATED), "again", own)
    link = zipfile.ZipInfo("models/a/b")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(packed({}, evil), "a") as zipped:
        zipped.writestr(link, "/etc/passwd")
    refused(evil, "no file, as a link", own)
    with zipfile.ZipFile(evil, "w") as zipped:
        zipped.writestr("cat.jpg", JPEG)
    refused(evil, "not a backup of Loupe", own)
    with zipfile.ZipFile(evil, "w") as zipped:
        zipped.writestr(CONTENTS, "[" * 100_000)
    refused(evil, "as Loupe writes it|not a whole backup", own)
    locked = bytearray(packed({"models/a/b": b"x"}, evil).read_bytes())
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    evil.write_bytes(locked)
    refused(evil, "password", own)


def test_members_that_overlap_are_no_bomb(own: Path, tmp_path: Path) -> None:
    """Fifty names for the same megabyte."""
    records().close()
    evil, data = tmp_path / "evil.zip", os.urandom(2**20)
    files = {"models/a/0": data, **{f"models/a/{number:02}": b"" for number in range(1, 50)}}
    packed(files, evil)
    raw = bytearray(evil.read_bytes())
    first = raw.index(b"PK\x01\x02")
    place = first
    for _ in range(49):
        place = raw.index(b"PK\x01\x02", place + 1)
        raw[place + 16 : place + 28] = raw[first + 16 : first + 28]
        raw[place + 42 : place + 46] = raw[first + 42 : first + 46]
    evil.write_bytes(raw)
    refused(evil, "more than it holds", own)


@pytest.mark.parametrize("wide", [False, True])
def test_a_directory_that_would_fill_the_memory_is_not_read(
    own: Path, tmp_path: Path, wide: bool
) -> None:
    records().close()
    evil = tmp_path / "evil.zip"
    if wide:
        # As many entries as take the wider record: 65,536.
        with zipfile.ZipFile(evil, "w") as zipped:
            for number in range(2**16 + 1):
                zipped.writestr(f"models/a/{number}{'x' * 200}", b"")
    else:
        raw = bytearray(packed({"models/a/b": b"x"}, evil).read_bytes())
        raw[-10:-6] = struct.pack("<L", 2**31)
        evil.write_bytes(raw)
    refused(evil, "more files than", own)


@pytest.mark.parametrize("data", [b"", b"PK", b"nonsense" * 50, b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_zip_is_refused(own: Path, tmp_path: Path, data: bytes) -> None:
    records().close()
    (tmp_path / "evil.zip").write_bytes(data)
    refused(tmp_path / "evil.zip", "not a whole backup", own)


def test_records_that_are_damaged_or_alive_are_refused(own: Path, tmp_path: Path) -> None:
    records().close()
    evil, made = tmp_path / "evil.zip", tmp_path / "made"
    count: Callable[[dict[str, Any]], None] = lambda values: values.update(corrections=1)  # noqa: E731
    refused(packed({RECORDS: b"no database" * 500}, evil, count), "not a whole SQLite file", own)
    with closing(sqlite3.connect(made)) as database:
        database.execute("CREATE TABLE corrections (id INTEGER PRIMARY KEY)")
        database.execute(
            "CREATE TRIGGER t AFTER INSERT ON corrections BEGIN DELETE FROM corrections; END"
        )
        database.commit()
    refused(packed({RECORDS: made.read_bytes()}, evil, count), "view or a trigger", own)
    raw = bytearray((own / RECORDS).read_bytes())
    raw[4096:8192] = os.urandom(4096)
    refused(packed({RECORDS: bytes(raw)}, evil, count), "damaged|not a whole SQLite", own)


def test_damaged_records_are_not_saved_and_do_not_hinder_a_restore(
    own: Path, file: Path, tmp_path: Path
) -> None:
    raw = bytearray((own / RECORDS).read_bytes())
    raw[:100] = os.urandom(100)
    (own / RECORDS).write_bytes(raw)
    with pytest.raises(DataError, match="records .* cannot be saved"):
        back_up(tmp_path / "b.zip")
    assert beside(tmp_path) == ["data", "loupe.zip"]
    with pytest.raises(DataError, match="Restore without --without-records"):
        restore(file, records=False)
    assert restore(file).corrections == 3
    assert len(labels(own)) == 3


def test_a_backup_cut_short_is_refused_at_many_lengths(own: Path, file: Path) -> None:
    data = file.read_bytes()
    cut = file.with_name("cut.zip")
    for length in [*range(0, len(data), 997), len(data) - 1]:
        cut.write_bytes(data[:length])
        refused(cut, "whole backup", own)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    target = tmp_path_factory.mktemp("small") / "small.zip"
    return packed({"models/a/b": b"x" * 60, "models/a/c": b"y"}, target).read_bytes()


@hypothesis_settings(max_examples=300, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8)
)
def test_any_damage_is_a_refusal_and_never_another_error(
    small: bytes, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(small)
    for place, value in changes:
        data[place % len(data)] = value
    target = tmp_path_factory.getbasetemp() / "changed.zip"
    target.write_bytes(data)
    try:
        with opened(target) as archive:
            archive.verify()
    except ArchiveError:
        return
    assert {entry.path for entry in archive.contents.files} == {"models/a/b", "models/a/c"}


# Kills and full disks

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
    records().close()
    present = whole(own)
    assert run("restore", file, where, when)[0] == -signal.SIGKILL
    swapped = MOMENTS.index((where, when)) > 4
    assert whole(own) == (saved if swapped else present)
    assert find("tiny").version
    if swapped:
        # The former data are whole, too, under one name or the other.
        (kept,) = [*own.parent.glob("data-before-*"), *own.parent.glob("data-restore-*/data")]
        assert whole(kept) == present
    restore(file)
    assert whole(own) == saved


def test_a_full_disk_leaves_everything_as_it_was(own: Path, file: Path) -> None:
    records().close()
    before, former = whole(own), file.read_bytes()
    for command in ("backup", "restore"):
        code, said_by_it = run(command, file, "limit", "3000")
        assert (code, said_by_it.split(":")[0]) == (2, "data-refused"), said_by_it
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
    records().close()
    before = whole(own)
    shut = file.parent / "shut"
    shut.mkdir(0o555)
    code, said_by_it = limited("backup", shut / "b.zip")
    assert code == 2
    assert said_by_it.startswith("data-refused: ")
    assert "Permission denied" in said_by_it
    for place in (own, own.parent):
        place.chmod(0o555)
    try:
        code, said_by_it = limited("restore", file)
    finally:
        for place in (own, own.parent):
            place.chmod(0o755)
    assert code == 2
    assert said_by_it.startswith("data-refused: ")
    assert whole(own) == before


def limited(command: str, file: Path) -> tuple[int, str]:
    return run(command, file, "limit", str(resource.RLIM_INFINITY), preexec_fn=no_longer_root)
