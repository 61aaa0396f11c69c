"""``model.corrections.store``: corrections are kept, read and deleted, in both databases."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa

from model import Prediction
from model.corrections import CorrectionStore, correction_store
from model.corrections.store import MAX_LABEL_LENGTH, TABLE
from model.errors import DataError
from tests.model.corrections.conftest import JPEG


def test_corrections_are_read_back(store: CorrectionStore, red: Prediction) -> None:
    first = store.add_correction(red, "  scarlet \n pillar\tbox ", JPEG)
    second = store.add_correction(red, "green", None)
    own_word, known_label = store.iter_corrections()
    kept = [(row.id, row.label, row.known, row.has_photo) for row in (own_word, known_label)]
    assert kept == [(first, "scarlet pillar box", False, True), (second, "green", True, False)]
    answer = (own_word.model, own_word.version, own_word.engine, own_word.predicted)
    assert answer == (red.model, red.version, red.engine, "red")
    assert own_word.probability == pytest.approx(red.top(1)[0].probability)
    assert own_word.created.tzinfo is UTC
    assert abs(datetime.now(UTC) - own_word.created) < timedelta(minutes=1)
    assert [store.get_photo(number) for number in (first, second, 999)] == [JPEG, None, None]
    assert store.count() == 2


def test_delete_removes_row_and_photo_and_never_reuses_the_id(
    store: CorrectionStore, red: Prediction
) -> None:
    ids = [store.add_correction(red, "a", JPEG) for _ in range(2)]
    assert store.delete(ids[1])
    assert not store.delete(ids[1])
    assert (store.count(), store.get_photo(ids[1])) == (1, None)
    assert store.add_correction(red, "a", None) > ids[1]


def test_undo_needs_the_key_and_ends_after_a_day(store: CorrectionStore, red: Prediction) -> None:
    first, other, old = (store.add_correction(red, "a", JPEG, undo_key=key) for key in "abc")
    keyless = store.add_correction(red, "a", JPEG)
    with store._engine.begin() as connection:
        saved = connection.scalars(sa.select(TABLE.c.undo_sha256).order_by(TABLE.c.id)).all()
        past = datetime.now(UTC) - timedelta(hours=24, seconds=1)
        connection.execute(sa.update(TABLE).where(TABLE.c.id == old).values(created=past))
    assert saved == [*(sha256(key.encode()).hexdigest() for key in "abc"), None]
    for number, key in ((first, "b"), (old, "c"), (999, "a"), (keyless, ""), (keyless, "None")):
        assert not store.delete(number, key)
    assert [store.delete(first, "a"), store.delete(first, "a")] == [True, False]
    assert [correction.id for correction in store.iter_corrections()] == [other, old, keyless]
    # Saved again, with another key.
    assert store.add_correction(red, "a", None, repeats=other, undo_key="d") == other
    assert [store.delete(other, key) for key in "bd"] == [False, True]


def test_database_of_an_earlier_release_gets_new_columns(
    database_url: str, red: Prediction
) -> None:
    with closing(CorrectionStore(database_url)) as store:
        old = store.add_correction(red, "a", JPEG, wording="form-1")
        with store._engine.begin() as connection:
            for column in ("wording", "undo_sha256"):
                connection.execute(sa.text(f"ALTER TABLE corrections DROP COLUMN {column}"))
    with ThreadPoolExecutor() as pool:
        # Several processes may open it at the same time.
        *others, store = pool.map(CorrectionStore, [database_url] * 4)
    new = store.add_correction(red, "b", None, wording="tap-1", undo_key="key")
    assert [row.wording and row.wording[:5] for row in store.iter_corrections()] == [None, "Saved"]
    assert store.get_photo(old) == JPEG
    assert [store.delete(number, "key") for number in (old, new)] == [False, True]
    for opened in (*others, store):
        opened.close()


def test_deleted_photo_leaves_no_bytes_in_any_file(tmp_path: Path, red: Prediction) -> None:
    photo = b"\xff\xd8" + bytes(range(256)) * 200
    url = f"sqlite:///{tmp_path / 'r.sqlite'}"
    # Another process, such as the app, has the database open meanwhile.
    with closing(CorrectionStore(url)) as app, closing(CorrectionStore(url)) as store:
        number = app.add_correction(red, "a", photo)
        app.add_correction(red, "b", None)
        assert any(photo[:256] in file.read_bytes() for file in tmp_path.glob("r.sqlite*"))
        assert store.delete(number)
        assert not any(photo[2:258] in file.read_bytes() for file in tmp_path.glob("r.sqlite*"))
        assert app.count() == 1


def test_many_rows_are_read_page_by_page(
    store: CorrectionStore, red: Prediction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.corrections.store.ROWS_PER_PAGE", 3)
    for count in range(7):
        assert [correction.label for correction in store.iter_corrections()] == [
            str(i) for i in range(count)
        ]
        store.add_correction(red, str(count), None)


@pytest.mark.parametrize(
    "label",
    [
        *("", " \n ", "\x00\x1b", "x" * (MAX_LABEL_LENGTH + 1), "x" * 10_000, " " * 5000),
        *([], ["red", ""], ["red", "a;b"], ["red"] * 21),
    ],
    ids=range(10),
)
def test_empty_overlong_and_ambiguous_labels_and_other_photos_are_rejected(
    store: CorrectionStore, red: Prediction, label: str | list[str]
) -> None:
    with pytest.raises(DataError, match="label"):
        store.add_correction(red, label, None)
    with pytest.raises(DataError, match="JPEG"):
        store.add_correction(red, "a", b"\x89PNG\r\n")
    assert store.count() == 0


def test_longest_label_and_unusual_characters_are_stored(
    store: CorrectionStore, red: Prediction
) -> None:
    labels = {
        "\U0001f98a" * MAX_LABEL_LENGTH: "\U0001f98a" * MAX_LABEL_LENGTH,
        "a\x00b\x1b[0m": "ab[0m",
        "\ud800x": "x",
        "gpj\u202eexe": "gpjexe",
        "gpj\u2067e\u200fxe": "gpjexe",
        "u\u0308ber": "\u00fcber",
        "'; DROP TABLE corrections; --": "'; DROP TABLE corrections; --",
    }
    for label in labels:
        store.add_correction(red, label, None)
    assert [correction.label for correction in store.iter_corrections()] == list(labels.values())


def test_several_labels_are_joined_and_known_if_the_model_has_all(
    store: CorrectionStore, red: Prediction
) -> None:
    store.add_correction(red, ["red", " green "], None)
    store.add_correction(red, ["red", "teapot"], None)
    stored = [(correction.label, correction.known) for correction in store.iter_corrections()]
    assert stored == [("red; green", True), ("red; teapot", False)]


def test_copy_has_all_corrections_but_no_deleted_ones(tmp_path: Path, red: Prediction) -> None:
    with closing(CorrectionStore(f"sqlite:///{tmp_path / 'r.sqlite'}")) as store:
        ids = [store.add_correction(red, label, JPEG) for label in "abc"]
        store.delete(ids[2])
        assert store.copy_to(tmp_path / "copy.sqlite") == 2
        with pytest.raises(DataError, match="can't be saved"):
            store.copy_to(tmp_path / "no" / "folder.sqlite")
    with closing(CorrectionStore(f"sqlite:///{tmp_path / 'copy.sqlite'}")) as copy:
        assert [correction.label for correction in copy.iter_corrections()] == ["a", "b"]
        assert copy.get_photo(ids[0]) == JPEG
        # The number of a deleted one is not given again.
        assert copy.add_correction(red, "d", None) == ids[2] + 1


def test_process_has_one_store_in_the_data_folder(
    own_corrections: None, data_folder: Path, red: Prediction
) -> None:
    correction_store().add_correction(red, "a", None)
    assert correction_store() is correction_store()
    with closing(sqlite3.connect(data_folder / "records.sqlite")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with correction_store()._engine.connect() as own:
        assert own.exec_driver_sql("PRAGMA trusted_schema").scalar() == 0
