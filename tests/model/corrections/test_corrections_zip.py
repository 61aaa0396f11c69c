"""``model.corrections.review``: the zip of corrections, its folders and its table."""

import csv
import io
import zipfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model import Prediction
from model.corrections import (
    MAX_LABEL_LENGTH,
    CorrectionStore,
    export_corrections,
)
from model.corrections.review import CSV_NAME, FolderNames
from model.errors import DataError
from model.storage.zips import escape_formula
from tests.model.command import run
from tests.model.corrections.conftest import JPEG


def exported(store: CorrectionStore) -> tuple[list[str], list[dict[str, str]]]:
    """Return the zip's names without the table's, and the table's rows."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "out.zip")
        count = export_corrections(store, file)
        assert file.stat().st_mode & 0o777 == 0o600
        with zipfile.ZipFile(file) as archive:
            assert archive.testzip() is None
            *names, table = archive.namelist()
            assert table == CSV_NAME
            text = archive.read(CSV_NAME).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert count == len(rows)
    return names, rows


def test_export_has_a_folder_per_label_and_a_table_of_all_rows(
    store: CorrectionStore, red: Prediction, tmp_path: Path
) -> None:
    a, b, c = (
        store.add_correction(red, *correction)
        for correction in (("x", JPEG), ("y", JPEG), ("x", None))
    )
    # None of these.
    d = store.add_correction(replace(red, in_distribution=False), "brick", None, wording="tap-1")
    names, rows = exported(store)
    assert names == [f"x/{a}.jpg", f"y/{b}.jpg"]
    assert [row["file"] for row in rows] == [f"x/{a}.jpg", f"y/{b}.jpg", "", ""]
    assert [row["id"] for row in rows] == [str(a), str(b), str(c), str(d)]
    assert [row["predicted"] for row in rows] == ["red", "red", "red", ""]
    assert [row["wording"][:5] for row in rows] == ["", "", "", "Saved"]
    assert rows[0]["known"] == "0"
    assert datetime.fromisoformat(rows[0]["created"]).tzinfo is not None
    file = tmp_path / "out.zip"
    assert export_corrections(store, file) == 4
    with zipfile.ZipFile(file) as archive:
        assert archive.read(f"x/{a}.jpg") == JPEG
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".zip"] == ["out.zip"]


def test_failed_export_leaves_the_folder_unchanged(store: CorrectionStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can't be written"):
        export_corrections(store, tmp_path / "nowhere" / "out.zip")
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(DataError, match="can't be written"):
        export_corrections(store, tmp_path / "folder.zip")
    assert [path.name for path in tmp_path.glob("*.zip*")] == ["folder.zip"]


def test_labels_that_look_alike_on_a_disk_get_folders_of_their_own(
    store: CorrectionStore, red: Prediction
) -> None:
    labels = ["a/b", "a_b", "A_B", "a:b", "a_b (2)", "../x", "x", "corrections.csv"]
    for label in labels:
        store.add_correction(red, label, JPEG)
    names, rows = exported(store)
    folders = [name.rsplit("/", 1)[0] for name in names]
    assert len({folder.casefold() for folder in folders}) == len(labels)
    assert CSV_NAME not in folders
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
        ("ends.\x85", "ends"),
        ("\x85.hidden", "hidden"),
        (". CON", "_CON"),
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
def test_folder_has_a_safe_name(label: str, folder: str) -> None:
    assert FolderNames().get_name(label) == folder


@given(st.lists(st.text(max_size=MAX_LABEL_LENGTH), max_size=20, unique=True))
@example(["0.\x85"])
def test_any_labels_get_safe_names_of_their_own(labels: list[str]) -> None:
    folders = FolderNames()
    names = [folders.get_name(label) for label in labels]
    assert names == [folders.get_name(label) for label in labels]
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        assert len(name.encode()) <= 200
        assert name == name.strip(". ")
        assert not set(name) & set('/\\:*?"<>|\0\n')
        assert PureWindowsPath(name).parts == (name,)
        assert escape_formula(name) == name


def test_export_has_no_formula(store: CorrectionStore, red: Prediction) -> None:
    store.add_correction(red, '=HYPERLINK("http://x","y")', JPEG)
    ((name,), (row,)) = exported(store)
    assert row["label"] == '\'=HYPERLINK("http://x","y")'
    assert row["file"] == name
    assert not name.startswith("=")


def test_command_refuses_to_replace_notes_unless_forced(
    own_corrections: None, data_folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("my notes")
    refused = run("corrections", file)
    assert refused.exit_code == 2
    assert "isn't replaced" in refused.stderr
    assert file.read_text() == "my notes"
    assert not data_folder.exists()
    forced = run("corrections", "--force", file)
    assert (forced.exit_code, forced.stdout) == (0, f"0 corrections in {file}\n")
