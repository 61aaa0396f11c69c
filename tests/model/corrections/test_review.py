"""``model.corrections.review``: the review, the photos to train on, and corrections as a zip."""

import csv
import io
import zipfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from model import Photo, Prediction
from model.corrections import CorrectionStore, correction_store, export_corrections
from model.corrections.review import (
    CSV_NAME,
    MAX_PER_VISIT,
    FolderNames,
    list_items,
    training_folder,
    write_training_photos,
)
from model.corrections.store import MAX_LABEL_LENGTH, hash_appearance
from model.errors import DataError
from model.storage.zips import escape_formula
from model.text import clean
from tests.model.corrections.conftest import JPEG


@pytest.fixture
def store(own_corrections: None) -> CorrectionStore:
    """An empty store of this process."""
    return correction_store()


def jpeg(seed: int, side: int = 256, quality: int = 85) -> bytes:
    """Return a photo of large random areas."""
    areas = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    image = Image.fromarray(areas).resize((side, side), Image.Resampling.BICUBIC)
    return Photo.from_image(image).to_jpeg(quality=quality)


def listed(store: CorrectionStore, review: object = None) -> list[tuple[str, tuple[int, ...]]]:
    items, _ = list_items(store.iter_corrections(), review)  # type: ignore[arg-type]
    return [(item.label, tuple(item.ids)) for item in items]


def test_least_likely_label_is_first_and_near_copies_are_one(
    store: CorrectionStore, red: Prediction
) -> None:
    order = [label for _, label in sorted(zip(red.probabilities, red.labels, strict=True))]
    likely, unlikely = clean(order[-2]), clean(order[0])
    first = store.add_correction(red, likely, jpeg(1))
    second = store.add_correction(red, unlikely, jpeg(2))
    copy = store.add_correction(red, unlikely, jpeg(2, side=160, quality=50))
    other_label = store.add_correction(red, likely, jpeg(2))
    own_word = store.add_correction(red, "scarlet", jpeg(3))
    store.add_correction(red, unlikely, None)
    assert listed(store) == [
        ("scarlet", (own_word,)),
        (unlikely, (second, copy)),
        (likely, (first,)),
        (likely, (other_label,)),
    ]


def test_one_visit_counts_at_most_five_times(store: CorrectionStore, red: Prediction) -> None:
    ids = [store.add_correction(red, "green", jpeg(seed), visit="a") for seed in range(8)]
    others = [store.add_correction(red, "blue", jpeg(20), visit="a")]
    others.append(store.add_correction(red, "green", jpeg(21), visit="b"))
    items, flooded = list_items(store.iter_corrections())
    counted = {number for item in items for number in item.ids}
    assert counted == {*ids[:MAX_PER_VISIT], *others}
    assert [(label, count) for (_, label), count in flooded.items()] == [("green", 8)]
    # What was decided still counts, so that nothing else takes its place.
    store.review(ids[:2], "dropped")
    items, _ = list_items(store.iter_corrections())
    assert {number for item in items for number in item.ids} == {*ids[2:MAX_PER_VISIT], *others}


def test_decisions_are_saved_and_taken_back_in_both_databases(
    database_url: str, red: Prediction
) -> None:
    store = CorrectionStore(database_url)
    ids = [store.add_correction(red, "green", jpeg(seed)) for seed in range(3)]
    store.review(ids[:2], "kept", "  dark\ngreen ")
    store.review(ids[2:], "dropped")
    assert listed(store, "kept") == [("dark green", (ids[0],)), ("dark green", (ids[1],))]
    assert listed(store, "dropped") == [("green", (ids[2],))]
    store.review(ids, None)
    assert [label for label, _ in listed(store)] == ["green"] * 3
    for label in (" ", "x" * 201):
        with pytest.raises(DataError):
            store.review(ids, "kept", label)
    store.close()


def test_kept_photos_are_files_until_they_are_taken_back(
    store: CorrectionStore, red: Prediction
) -> None:
    ids = [
        store.add_correction(red, label, jpeg(seed), wording="tap-photo-1", undo_key=str(seed))
        for seed, label in enumerate(("green", "green", "a/b", "../../x"))
    ]
    store.review(ids, "kept")
    folder = training_folder("tiny")

    def files() -> set[str]:
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")}

    assert write_training_photos(store, "tiny") == {"green": 2, "a/b": 1, "../../x": 1}
    assert {name.split("/")[0] for name in files()} == {"green", "a_b", "_.._x"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.rglob("*.jpg"))
    assert (folder / f"green/correction-{ids[0]}.jpg").read_bytes() == jpeg(0)
    assert store.delete(ids[0], "0")
    assert f"green/correction-{ids[0]}.jpg" not in files()
    store.review([ids[1]], "kept", "blue")
    store.review(ids[2:], None)
    write_training_photos(store, "tiny")
    assert files() == {f"blue/correction-{ids[1]}.jpg"}


def test_only_visitors_who_read_about_training_agreed_to_it(
    store: CorrectionStore, red: Prediction
) -> None:
    store.add_correction(red, "green", jpeg(1), wording="form-photo-1")
    store.add_correction(red, "green", jpeg(2))
    items, _ = list_items(store.iter_corrections())
    assert {item.first.id: item.is_agreed for item in items} == {1: True, 2: False}


def test_labels_of_the_model_keep_their_folders_and_replaced_photos_go(
    store: CorrectionStore, red: Prediction
) -> None:
    for seed, label in enumerate(("Green", "green", "GREEN")):
        number = store.add_correction(red, label, jpeg(seed), wording="tap-photo-1")
        store.review([number], "kept")
    write_training_photos(store, "tiny")
    folder = training_folder("tiny")
    assert (folder / "green" / "correction-2.jpg").is_file()
    assert {path.name for path in folder.iterdir()} == {"green", "GREEN (2)", "Green (3)"}
    store.add_correction(red, "green", jpeg(9), wording="tap-photo-1", repeats=2)
    assert not (folder / "green" / "correction-2.jpg").exists()


def test_unreadable_photo_has_no_appearance_hash(tmp_path: Path) -> None:
    assert hash_appearance(b"\xff\xd8 no photo") is None


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
