"""What visitors said: kept, found again, exported; in SQLite and in PostgreSQL."""

import csv
import io
import logging
import sqlite3
import subprocess
import sys
import traceback
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from model import Classifier, Photo, Prediction
from model.corrections import MAX_LABEL, CorrectionStore, correction_store
from model.corrections.database import parse
from model.corrections.export import CSV, Folders, cell
from model.errors import DataError
from model.settings import ROOT
from tests.model.tiny import colour

SECRET = "hidden-word"
JPEG = Photo.from_image(colour("red")).to_jpeg()


@pytest.fixture
def kept(database_url: str) -> Iterator[CorrectionStore]:
    """Records without a row."""
    opened = CorrectionStore(database_url)
    yield opened
    opened.close()


@pytest.fixture
def red(colours: Classifier) -> Prediction:
    """An answer to a red photo."""
    return colours.identify(colour("red"))


def exported(kept: CorrectionStore) -> tuple[list[str], list[dict[str, str]]]:
    """The zip's names without the table's, and the table's rows."""
    file = io.BytesIO()
    count = kept.export(file)
    with zipfile.ZipFile(file) as opened:
        assert opened.testzip() is None
        *names, table = opened.namelist()
        assert table == CSV
        rows = list(csv.DictReader(io.StringIO(opened.read(CSV).decode(), newline="")))
    assert count == len(rows)
    return names, rows


# Keeping


def test_what_was_said_is_found_again(kept: CorrectionStore, red: Prediction) -> None:
    first = kept.add_correction(red, "  scarlet \n pillar\tbox ", JPEG)
    second = kept.add_correction(red, "green", None)
    one, two = kept.corrections()
    assert (one.id, one.label, one.known, one.has_photo) == (
        first,
        "scarlet pillar box",
        False,
        True,
    )
    assert (two.id, two.label, two.known, two.has_photo) == (second, "green", True, False)
    assert (one.model, one.version, one.engine) == (red.model, red.version, red.engine)
    assert one.predicted == "red"
    assert one.probability == pytest.approx(red.top(1)[0].probability)
    assert one.created.tzinfo is UTC
    assert abs(datetime.now(UTC) - one.created) < timedelta(minutes=1)
    assert kept.photo(first) == JPEG
    assert kept.photo(second) is None
    assert kept.photo(999) is None
    assert kept.count() == 2


def test_none_of_these_is_kept_as_such(kept: CorrectionStore, red: Prediction) -> None:
    kept.add_correction(replace(red, known=False), "brick", None)
    (found,) = kept.corrections()
    assert found.predicted is None
    assert exported(kept)[1][0]["predicted"] == ""


def test_rows_stay_when_it_is_opened_again(database_url: str, red: Prediction) -> None:
    for count in (1, 2):
        opened = CorrectionStore(database_url)
        opened.add_correction(red, "a", None)
        assert opened.count() == count
        opened.close()


def test_deleting_takes_row_and_photo_and_ids_are_not_given_again(
    kept: CorrectionStore, red: Prediction
) -> None:
    ids = [kept.add_correction(red, "a", JPEG) for _ in range(2)]
    assert kept.delete(ids[1])
    assert not kept.delete(ids[1])
    assert (kept.count(), kept.photo(ids[1])) == (1, None)
    assert kept.add_correction(red, "a", None) > ids[1]


def test_many_rows_come_page_by_page(
    kept: CorrectionStore, red: Prediction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.corrections.store.PAGE", 3)
    for count in range(7):
        assert [one.label for one in kept.corrections()] == [str(i) for i in range(count)]
        kept.add_correction(red, str(count), None)


@pytest.mark.parametrize("label", ["", " \n ", "\x00\x1b", "x" * (MAX_LABEL + 1), " " * 5000])
def test_labels_that_say_nothing_or_too_much_are_refused(
    kept: CorrectionStore, red: Prediction, label: str
) -> None:
    with pytest.raises(DataError, match="label"):
        kept.add_correction(red, label, None)
    assert kept.count() == 0


def test_the_longest_label_and_odd_characters_are_kept(
    kept: CorrectionStore, red: Prediction
) -> None:
    labels = {
        "\U0001f98a" * MAX_LABEL: "\U0001f98a" * MAX_LABEL,
        "a\x00b\x1b[0m": "ab[0m",
        "\ud800x": "x",
        "gpj\u202eexe": "gpjexe",
        "u\u0308ber": "\u00fcber",
        "'; DROP TABLE corrections; --": "'; DROP TABLE corrections; --",
    }
    for label in labels:
        kept.add_correction(red, label, None)
    assert [one.label for one in kept.corrections()] == list(labels.values())


def test_only_a_jpeg_is_kept(kept: CorrectionStore, red: Prediction) -> None:
    with pytest.raises(DataError, match="JPEG"):
        kept.add_correction(red, "a", b"\x89PNG\r\n")


# Many at once


def test_sixteen_threads_lose_nothing(kept: CorrectionStore, red: Prediction) -> None:
    def write(number: int) -> list[int]:
        return [kept.add_correction(red, f"{number} {i}", JPEG) for i in range(15)]

    with ThreadPoolExecutor(16) as pool:
        ids = [number for found in pool.map(write, range(16)) for number in found]
    assert len(set(ids)) == kept.count() == 16 * 15
    assert {one.label for one in kept.corrections()} == {
        f"{number} {i}" for number in range(16) for i in range(15)
    }


WRITER = """
import sys
import numpy as np
from model.prediction import Milliseconds, Prediction
from model.corrections import CorrectionStore

said = Prediction("m", "v", "e", ("a", "b"), np.array([1, 0], np.float32), Milliseconds(0, 0, 0, 0))
print("ready", flush=True)
sys.stdin.readline()
kept = CorrectionStore(sys.argv[1])
for number in range(20):
    kept.add_correction(said, str(number), None)
"""


def test_four_processes_make_one_database_at_once(database_url: str) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    opened = CorrectionStore(database_url)
    assert opened.count() == 80
    opened.close()


# Refusals


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path, red: Prediction) -> None:
    kept = CorrectionStore(f"sqlite:///{tmp_path / 'r.sqlite'}")
    kept.add_correction(red, "a", None)

    @event.listens_for(kept._engine, "checkout")
    def _fill(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count=1")

    with pytest.raises(DataError, match="cannot be written: the disk is full"):
        kept.add_correction(red, "b", JPEG * 50)
    assert kept.count() == 1
    kept.close()


def test_a_read_only_database_is_said(tmp_path: Path, red: Prediction) -> None:
    file = tmp_path / "r.sqlite"
    CorrectionStore(f"sqlite:///{file}").close()
    kept = CorrectionStore(f"sqlite:///file:{file}?mode=ro&uri=true")
    with pytest.raises(DataError, match="cannot be written: the database is read-only"):
        kept.add_correction(red, "a", None)
    kept.close()


def test_a_damaged_file_and_a_folder_that_cannot_be_are_said(tmp_path: Path) -> None:
    (tmp_path / "bad.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(DataError, match="cannot be opened: its file is damaged"):
        CorrectionStore(f"sqlite:///{tmp_path / 'bad.sqlite'}")
    with pytest.raises(DataError, match="folder of the records cannot be made"):
        CorrectionStore(f"sqlite:///{tmp_path / 'bad.sqlite' / 'r.sqlite'}")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="cannot be opened"):
        CorrectionStore(f"sqlite:///{tmp_path / 'folder'}")


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", f"mysql://u:{SECRET}@h/d", "sqlite://", "sqlite:///:memory:", "a://b:c:d/e"],
)
def test_another_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(DataError, match="LOUPE_DATABASE is not a URL") as caught:
        CorrectionStore(url)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_postgresql_means_psycopg(scheme: str) -> None:
    assert parse(f"{scheme}://u:p@h/d").drivername == "postgresql+psycopg"


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(DataError, match=r'pip install "psycopg\[binary\]"') as caught:
        CorrectionStore(f"postgres://user:{SECRET}@localhost/x")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.skipif(find_spec("psycopg") is None, reason="psycopg is not installed")
@pytest.mark.parametrize("more", ["", "?password=", "?no-such-option="])
def test_a_password_is_never_said(more: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DataError, match="cannot be opened") as caught:
        CorrectionStore(f"postgresql://user:{SECRET}@127.0.0.1:1/x{more and more + SECRET}")
    assert SECRET not in "".join(traceback.format_exception(caught.value)) + caplog.text


def test_a_wrong_password_is_said_and_not_repeated(postgres: str) -> None:
    wrong = parse(postgres).set(password=SECRET).render_as_string(hide_password=False)
    with pytest.raises(DataError, match="password in LOUPE_DATABASE is wrong") as caught:
        CorrectionStore(wrong)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


# The records of this process


def test_they_are_made_in_the_data_folder_once(data_folder: Path, red: Prediction) -> None:
    correction_store.cache_clear()
    correction_store().add_correction(red, "a", None)
    assert correction_store() is correction_store()
    assert (data_folder / "records.sqlite").is_file()
    with sqlite3.connect(data_folder / "records.sqlite") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    correction_store().close()
    correction_store.cache_clear()


# Export


def test_photos_go_into_a_folder_a_label_and_all_rows_into_the_table(
    kept: CorrectionStore, red: Prediction, tmp_path: Path
) -> None:
    a, b, c = (kept.add_correction(red, *said) for said in (("x", JPEG), ("y", JPEG), ("x", None)))
    names, rows = exported(kept)
    assert names == [f"x/{a}.jpg", f"y/{b}.jpg"]
    assert [row["file"] for row in rows] == [f"x/{a}.jpg", f"y/{b}.jpg", ""]
    assert [row["id"] for row in rows] == [str(a), str(b), str(c)]
    assert rows[0]["known"] == "0"
    assert datetime.fromisoformat(rows[0]["created"]).tzinfo is not None
    file = tmp_path / "out.zip"
    file.write_bytes(b"an older export")
    assert kept.export(file) == 3
    with zipfile.ZipFile(file) as opened:
        assert opened.read(f"x/{a}.jpg") == JPEG
    assert list(tmp_path.glob("*.part")) == []


def test_an_export_that_fails_leaves_what_was_there(kept: CorrectionStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        kept.export(tmp_path / "nowhere" / "out.zip")
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        kept.export(tmp_path / "folder.zip")
    assert [path.name for path in tmp_path.glob("*.zip*")] == ["folder.zip"]


def test_labels_that_look_alike_on_a_disk_do_not_merge(
    kept: CorrectionStore, red: Prediction
) -> None:
    labels = ["a/b", "a_b", "A_B", "a:b", "a_b (2)", "../x", "x", "corrections.csv"]
    for label in labels:
        kept.add_correction(red, label, JPEG)
    names, rows = exported(kept)
    folders = [name.rsplit("/", 1)[0] for name in names]
    assert len({folder.casefold() for folder in folders}) == len(labels)
    assert CSV not in folders
    assert [row["file"] for row in rows] == names
    assert [row["label"] for row in rows] == labels


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("/absolute", "_absolute"),
        ("C:\\x", "C__x"),
        (".hidden", "hidden"),
        ("...", "_"),
        ("ends. ", "ends"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1", "_com1"),
        ("console", "console"),
        ("=1+1", "_=1+1"),
        ("-rf", "_-rf"),
        ("u\u0308ber", "\u00fcber"),
        ("Shih-Tzu", "Shih-Tzu"),
    ],
)
def test_a_folder_has_a_safe_name(label: str, folder: str) -> None:
    assert Folders().of(label) == folder


@given(st.lists(st.text(max_size=MAX_LABEL), max_size=20, unique=True))
def test_any_labels_have_safe_names_of_their_own(labels: list[str]) -> None:
    folders = Folders()
    names = [folders.of(label) for label in labels]
    assert names == [folders.of(label) for label in labels]
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        assert len(name.encode()) <= 200
        assert name == name.strip(". ")
        assert not set(name) & set('/\\:*?"<>|\0\n')
        assert PureWindowsPath(name).parts == (name,)
        assert cell(name) == name


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\t", "\r"])
def test_a_spreadsheet_finds_no_formula(sign: str) -> None:
    assert cell(f"{sign}cmd|' /C calc'!A0") == f"'{sign}cmd|' /C calc'!A0"
    assert cell(f"a{sign}") == f"a{sign}"
    assert cell("") == cell(None) == ""


def test_formulas_are_neutral_in_the_export(kept: CorrectionStore, red: Prediction) -> None:
    kept.add_correction(red, '=HYPERLINK("http://x","y")', JPEG)
    ((name,), (row,)) = exported(kept)
    assert row["label"] == '\'=HYPERLINK("http://x","y")'
    assert row["file"] == name
    assert not name.startswith("=")
