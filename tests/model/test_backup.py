"""Tests of ``backup`` and ``restore``: a data folder in one file, made while others write."""

import os
import signal
import sqlite3
import stat
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result

from model import Photo, load
from model.answer.share_link import KEY_FILE
from model.backup import back_up, restore
from model.backup_zip import CORRECTIONS_FILE
from model.bundle import list_versions
from model.corrections import CorrectionStore, correction_store
from model.errors import DataError
from model.settings import settings
from model.storage import disk
from tests.model.command import run
from tests.model.tiny import CALIBRATED, colour, tiny
from tests.python import run_python
from tests.waiting import in_threads

JPEG = Photo.from_image(colour("red")).to_jpeg()
SECRET = "hidden-word"


@pytest.fixture
def data(data_folder: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder: two models, one with two versions, three corrections, and a key."""
    # More are saved while a backup is made than a person would save.
    use(monkeypatch, LOUPE_CORRECTIONS_PER_MINUTE="1000000")
    tiny(models_dir, title="Previous")
    tiny(models_dir)
    tiny(models_dir, "calibrated", confidence=CALIBRATED)
    add_corrections("one", "two", "three")
    (data_folder / KEY_FILE).write_text("a key that signs links")
    yield data_folder
    correction_store().close()
    correction_store.cache_clear()


@pytest.fixture
def backup(data: Path, tmp_path: Path) -> Path:
    """A backup of that folder."""
    file = tmp_path / "loupe.zip"
    back_up(file)
    return file


def use(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Let the app use another data folder or database."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    correction_store.cache_clear()


def add_corrections(*words: str) -> None:
    """Add corrections, every second one with a photo, and close the store."""
    red = load("tiny").identify(colour("red"))
    for number, word in enumerate(words):
        correction_store().add_correction(red, word, JPEG if number % 2 else None)
    correction_store().close()


def labels(folder: Path) -> list[str]:
    """Return the labels of all corrections in a data folder."""
    with closing(CorrectionStore(f"sqlite:///{folder / CORRECTIONS_FILE}")) as store:
        return [correction.label for correction in store.iter_corrections()]


def state(folder: Path) -> dict[Path, object]:
    """Return every file of a data folder with its content; of the corrections, the rows."""
    files: dict[Path, object] = {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(CORRECTIONS_FILE)
    }
    with closing(CorrectionStore(f"sqlite:///{folder / CORRECTIONS_FILE}")) as store:
        rows = list(store.iter_corrections())
        return {**files, Path(CORRECTIONS_FILE): [(row, store.get_photo(row.id)) for row in rows]}


def names(folder: Path) -> list[str]:
    """Return what is in a folder, hidden files included."""
    return sorted(path.name for path in folder.iterdir())


def versions() -> list[tuple]:
    return [
        (version.version, version.current, version.created.replace(microsecond=0))
        for version in list_versions("tiny")
    ]


def test_restored_folder_answers_as_the_saved_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, saved_versions = state(data), versions()
    answers = [load("tiny").identify(colour(name)).answer for name in ("red", "blue")]
    saved, left_out = back_up(tmp_path / "b.zip")
    assert (saved.models, saved.corrections) == (("calibrated", "tiny"), 3)
    assert left_out == []
    assert stat.S_IMODE((tmp_path / "b.zip").stat().st_mode) == 0o600 or os.name == "nt"
    folder = tmp_path / "new" / "machine"
    assert restore(tmp_path / "b.zip", folder) == saved
    assert state(folder) == before
    assert names(folder.parent) == ["machine"]
    if os.name != "nt":
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
        assert modes[folder] == 0o700
        assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    correction_store().close()
    use(monkeypatch, LOUPE_DATA=str(folder))
    assert versions() == saved_versions
    assert [load("tiny").identify(colour(name)).answer for name in ("red", "blue")] == answers
    assert correction_store().get_photo(2) == JPEG
    add_corrections("the next")
    corrections = [(kept.id, kept.label) for kept in correction_store().iter_corrections()]
    assert corrections == [(1, "one"), (2, "two"), (3, "three"), (4, "the next")]


def test_restore_fills_empty_folders_and_overwrites_nothing(
    data: Path, backup: Path, tmp_path: Path
) -> None:
    before = state(data)
    for name in ("empty", "volume/lost+found"):
        (tmp_path / name).mkdir(parents=True)
        folder = tmp_path / name.split("/")[0]
        restore(backup, folder)
        assert state(folder) == before
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").write_text("mine")
    for folder in (data, tmp_path / "used"):
        with pytest.raises(DataError, match=r"isn't empty.*new folder with --to, then set LOUPE"):
            restore(backup, folder)
    with pytest.raises(FileExistsError):
        restore(backup, backup)
    assert state(data) == before
    assert names(tmp_path / "used") == ["notes.txt"]
    assert names(tmp_path) == ["data", "empty", "loupe.zip", "used", "volume"]


def test_backup_leaves_out_foreign_files(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, LOUPE_SECRET=SECRET)
    for name in (".streamlit/secrets.toml", "notes/keys.txt", "models/.new-half/graph.onnx"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_text(SECRET)
    (data / "models" / "linked").symlink_to(tmp_path)
    (data / "models" / "tiny" / "link.txt").symlink_to("/etc/hostname")
    os.mkfifo(data / "models" / "tiny" / "pipe")
    (data / "training").mkdir()
    (data / "training" / ".log").write_text(SECRET)
    _, left_out = back_up(tmp_path / "b.zip")
    assert left_out == ["models/linked", "models/tiny/link.txt", "models/tiny/pipe", "notes"]
    assert SECRET.encode() not in (tmp_path / "b.zip").read_bytes()


def test_corrections_can_be_left_out(data: Path, backup: Path, tmp_path: Path) -> None:
    assert back_up(tmp_path / "b.zip", corrections=False)[0].corrections is None
    for number, (file, corrections) in enumerate([(tmp_path / "b.zip", True), (backup, False)]):
        folder = tmp_path / str(number)
        assert restore(file, folder, corrections=corrections).corrections is None
        assert names(folder) == [KEY_FILE, "models"]


def test_damaged_corrections_are_not_saved(data: Path, tmp_path: Path) -> None:
    raw = bytearray((data / CORRECTIONS_FILE).read_bytes())
    raw[:100] = os.urandom(100)
    (data / CORRECTIONS_FILE).write_bytes(raw)
    with pytest.raises(DataError, match=r"The corrections can't be opened: its file is damaged"):
        back_up(tmp_path / "b.zip")
    assert names(tmp_path) == ["data"]


def test_corrections_that_break_their_own_rules_are_not_saved(data: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(data / CORRECTIONS_FILE)) as database, database:
        database.execute("PRAGMA writable_schema=ON")
        stricter = "replace(sql, 'photo BLOB', 'photo NOT NULL')"
        database.execute(f"UPDATE sqlite_schema SET sql = {stricter}")
    with pytest.raises(DataError, match="database of corrections is damaged"):
        back_up(tmp_path / "b.zip")
    assert names(tmp_path) == ["data"]


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


# The commands


def cli(*words: object, code: int = 0) -> Result:
    result = run(*words)
    assert result.exit_code == code, result.output
    return result


def test_commands_name_models_folders_and_what_is_left_out(data: Path, tmp_path: Path) -> None:
    file, folder = tmp_path / "loupe.zip", tmp_path / "new"
    saved = cli("backup", file).stdout
    assert f"2 models (calibrated, tiny) and 3 corrections in {file}" in saved
    assert "Keep it private: it may contain visitors' photos." in saved
    restored = cli("restore", file, "--to", folder).stdout
    assert "2 models (calibrated, tiny) and 3 corrections, saved 20" in restored
    assert f"LOUPE_DATA={folder}" in restored
    for name in ("derived", "phone"):
        (data / name).mkdir()
    result = cli("backup", file, "--without-records")
    assert "Left out, because the app makes it again: derived, phone." in result.stdout
    assert "2 models (calibrated, tiny), no corrections in" in result.stdout
    assert result.stderr == ""
    (data / "notes.txt").write_text("mine")
    assert cli("backup", file, code=1).stderr == "left out: notes.txt\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("restore", "missing.zip"), "missing.zip: No such file"),
        (("restore", "other.txt"), "This isn't a Loupe backup, or it is damaged or incomplete."),
        (("restore", "data"), "is a directory"),
        (("backup", "no/such/folder.zip"), "/no: No such file or directory"),
        (("backup", "other.txt"), "other.txt exists and isn't a backup, so it isn't replaced."),
        (("backup", "data/b.zip"), "inside the data folder"),
        (("backup", "data/models/b.zip"), "inside the data folder"),
    ],
)
def test_errors_say_what_to_do(
    data: Path, tmp_path: Path, words: tuple[str, str], message: str
) -> None:
    (tmp_path / "other.txt").write_text("mine")
    result = cli(words[0], tmp_path / words[1], code=2)
    assert message in " ".join(result.stderr.split())
    assert (tmp_path / "other.txt").read_text() == "mine"
    assert names(tmp_path) == ["data", "other.txt"]


def test_backup_of_nothing_is_an_error(data_folder: Path, tmp_path: Path) -> None:
    correction_store.cache_clear()
    assert "nothing to save" in cli("backup", tmp_path / "b.zip", code=2).stderr
    data_folder.mkdir()
    assert "nothing to save" in cli("backup", tmp_path / "b.zip", code=2).stderr
    assert not (tmp_path / "b.zip").exists()


def test_corrections_in_postgresql_are_left_to_pg_dump(
    data: Path, tmp_path: Path, empty_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "b.zip"
    cli("backup", file)
    use(monkeypatch, LOUPE_DATABASE=empty_postgres)
    add_corrections("elsewhere")
    result = cli("backup", tmp_path / "c.zip", code=1)
    assert "2 models (calibrated, tiny), no corrections in" in result.stdout
    assert "left out: corrections, which are in PostgreSQL: save them with pg_dump" in result.stderr
    cli("backup", tmp_path / "c.zip", "--without-records")
    # Restored corrections never touch the other database.
    assert "won't see these corrections" in cli("restore", file, "--to", tmp_path / "new").stderr
    assert labels(tmp_path / "new") == ["one", "two", "three"]
    assert [kept.label for kept in correction_store().iter_corrections()] == ["elsewhere"]
    correction_store().close()
    use(monkeypatch, LOUPE_DATABASE="")


def test_corrections_elsewhere_do_not_stop_a_backup_and_are_saved_from_sqlite(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, LOUPE_DATABASE=f"postgresql://user:{SECRET}@127.0.0.1:1/x")
    result = cli("backup", tmp_path / "b.zip", code=1)
    assert SECRET not in result.stdout + result.stderr
    use(monkeypatch, LOUPE_DATABASE=f"sqlite:///{tmp_path / 'elsewhere' / 'c.sqlite'}")
    add_corrections("elsewhere")
    (data / CORRECTIONS_FILE).unlink()
    assert "and 1 correction in" in cli("backup", tmp_path / "b.zip").stdout
    cli("restore", tmp_path / "b.zip", "--to", tmp_path / "new")
    assert labels(tmp_path / "new") == ["elsewhere"]
    use(monkeypatch, LOUPE_DATABASE="")


# Under kills and full disks: the previous backup or the new one

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


def run_killed(place: str, when: str, *words: object) -> tuple[int, str]:
    """Run a command in a process that is killed at some moment, or limited."""
    ended = run_python("-c", KILLED, place, when, *words, check=False)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(("place", "when"), [("_add", "after"), ("Path.replace", "before")])
def test_kill_leaves_the_previous_backup(data: Path, backup: Path, place: str, when: str) -> None:
    previous = backup.read_bytes()
    add_corrections("later")
    assert run_killed(place, when, "backup", backup)[0] == -signal.SIGKILL
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
    assert run_killed(place, when, "restore", backup, "--to", folder)[0] == -signal.SIGKILL
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
        code, stderr = run_killed("limit", "3000", *words)
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
