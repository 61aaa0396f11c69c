"""``model.corrections.database``: errors in plain words, and limits of what visitors add."""

import logging
import os
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, event, update
from sqlalchemy.exc import OperationalError

from model import Prediction
from model.corrections import CorrectionStore, correction_store
from model.corrections.database import Limits, connect, create_table, parse_url
from model.corrections.store import TABLE
from model.errors import CorrectionsFull, DataError, TooManyCorrections
from model.settings import ROOT, settings
from model.storage import disk
from tests.model.corrections.conftest import JPEG

SECRET = "hidden-word"


def test_full_disk_is_reported_and_keeps_earlier_rows(tmp_path: Path, red: Prediction) -> None:
    store = CorrectionStore(f"sqlite:///{tmp_path / 'r.sqlite'}")
    store.add_correction(red, "a", None)

    @event.listens_for(store._engine, "checkout")
    def _fill(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count=1")

    with pytest.raises(DataError, match="can't be written: the disk is full"):
        store.add_correction(red, "b", JPEG * 50)
    assert store.count() == 1
    store.close()


def test_only_this_user_can_read_a_database(tmp_path: Path, red: Prediction) -> None:
    """Neither one made now nor one that an earlier version left readable, nor its log."""
    file, umask = tmp_path / "new" / "r.sqlite", os.umask(0)
    try:
        store = CorrectionStore(f"sqlite:///{file}")
        store.add_correction(red, "a", JPEG)
        assert file.parent.stat().st_mode & 0o777 == 0o700
        files = sorted(file.parent.iterdir())
        assert [path.name for path in files] == ["r.sqlite", "r.sqlite-shm", "r.sqlite-wal"]
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
        for path in files:
            path.chmod(0o644)
        CorrectionStore(f"sqlite:///{file}").close()
        assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}
        store.close()
    finally:
        os.umask(umask)


def test_read_only_database_is_reported_and_a_refused_table_leaves_no_connection(
    tmp_path: Path, red: Prediction
) -> None:
    file = tmp_path / "r.sqlite"
    CorrectionStore(f"sqlite:///{file}").close()
    url = f"sqlite:///file:{file}?mode=ro&uri=true"
    with (
        closing(CorrectionStore(url)) as store,
        pytest.raises(DataError, match="can't be written: the database is read-only"),
    ):
        store.add_correction(red, "a", None)
    # Replicas without the right to create the table try each second.
    engine = connect(parse_url(url))
    with pytest.raises(OperationalError):
        create_table(engine, Table("other", MetaData(), Column("id", Integer)))
    assert engine.pool.checkedin() == 0  # type: ignore[attr-defined]


def test_damaged_file_and_unusable_folder_are_reported(tmp_path: Path) -> None:
    (tmp_path / "bad.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(DataError, match="can't be opened: its file is damaged"):
        CorrectionStore(f"sqlite:///{tmp_path / 'bad.sqlite'}")
    with pytest.raises(DataError, match="database's folder can't be created"):
        CorrectionStore(f"sqlite:///{tmp_path / 'bad.sqlite' / 'r.sqlite'}")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="can't be opened"):
        CorrectionStore(f"sqlite:///{tmp_path / 'folder'}")


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", f"mysql://u:{SECRET}@h/d", "sqlite://", "sqlite:///:memory:", "a://b:c:d/e"],
)
def test_unsupported_url_is_rejected_without_repeating_it(url: str) -> None:
    with pytest.raises(DataError, match="LOUPE_DATABASE is not a supported database URL") as caught:
        CorrectionStore(url)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_postgresql_url_uses_psycopg(scheme: str) -> None:
    assert parse_url(f"{scheme}://u:p@h/d").drivername == "postgresql+psycopg"


def test_missing_driver_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(DataError, match=r'pip install "psycopg\[binary\]"') as caught:
        CorrectionStore(f"postgres://user:{SECRET}@localhost/x")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.skipif(find_spec("psycopg") is None, reason="psycopg is not installed")
@pytest.mark.parametrize("more", ["", "?password=", "?no-such-option="])
def test_password_is_never_repeated(more: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DataError, match="can't be opened") as caught:
        CorrectionStore(f"postgresql://user:{SECRET}@127.0.0.1:1/x{more and more + SECRET}")
    assert SECRET not in "".join(traceback.format_exception(caught.value)) + caplog.text


def test_wrong_password_is_reported_and_not_repeated(postgres: str) -> None:
    wrong = parse_url(postgres).set(password=SECRET).render_as_string(hide_password=False)
    with pytest.raises(DataError, match="password in LOUPE_DATABASE is wrong") as caught:
        CorrectionStore(wrong)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


MANY = 10**9

Open = Callable[..., CorrectionStore]


@pytest.fixture
def limited(database_url: str) -> Iterator[Open]:
    """Open a store with limits: ``limited(count=3)``."""
    stores: list[CorrectionStore] = []

    def start(
        count: int = MANY, photo_bytes: int = MANY, per_minute: int = MANY
    ) -> CorrectionStore:
        stores.append(CorrectionStore(database_url, Limits(count, photo_bytes, per_minute)))
        return stores[-1]

    yield start
    for store in stores:
        store.close()


def shift(store: CorrectionStore, seconds: int) -> None:
    """Move all corrections in time."""
    rows = [(kept.id, kept.created) for kept in store.iter_corrections()]
    with store._engine.begin() as connection:
        for number, created in rows:
            moved = created + timedelta(seconds=seconds)
            connection.execute(update(TABLE).where(TABLE.c.id == number).values(created=moved))


def test_corrections_are_limited_until_some_are_deleted(limited: Open, red: Prediction) -> None:
    store = limited(count=2)
    first, _ = (store.add_correction(red, label) for label in "ab")
    with pytest.raises(CorrectionsFull, match=r"limit for corrections \(2\)"):
        store.add_correction(red, "c")
    store.delete(first)
    store.add_correction(red, "c")
    assert [kept.label for kept in store.iter_corrections()] == ["b", "c"]
    with pytest.raises(CorrectionsFull, match="saves no corrections"):
        limited(count=0).add_correction(red, "a")


def test_photos_are_limited_in_bytes_and_labels_are_not(limited: Open, red: Prediction) -> None:
    store = limited(photo_bytes=2 * len(JPEG))
    for label in "ab":
        store.add_correction(red, label, JPEG)
    with pytest.raises(CorrectionsFull, match="without the photo"):
        store.add_correction(red, "c", JPEG)
    store.add_correction(red, "c")
    assert store.count() == 3


def test_rate_is_limited_for_all_visitors_together(limited: Open, red: Prediction) -> None:
    store, other = limited(per_minute=2), limited(per_minute=2)
    store.add_correction(red, "a")
    shift(store, -50)
    other.add_correction(red, "b")
    for each in (store, other):
        with pytest.raises(TooManyCorrections, match=r"Try again in \d+ s") as caught:
            each.add_correction(red, "c")
        # The oldest was saved 50 seconds ago.
        assert 1 <= caught.value.retry_after <= 10
    shift(store, -11)
    store.add_correction(red, "c")


def test_clock_that_was_set_back_blocks_for_a_minute_at_most(
    limited: Open, red: Prediction
) -> None:
    store = limited(per_minute=1)
    store.add_correction(red, "a")
    shift(store, 3600)
    store.add_correction(red, "b")
    assert store.count() == 2


def test_full_disk_refuses_before_sqlite_fails(
    tmp_path: Path, red: Prediction, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'r.sqlite'}"
    monkeypatch.setattr(disk, "RESERVED_BYTES", 2**60)
    with closing(CorrectionStore(url, Limits(MANY, MANY, MANY))) as store:
        with pytest.raises(CorrectionsFull, match="disk"):
            store.add_correction(red, "a")
        assert store.count() == 0


def test_sixteen_threads_keep_the_limit(limited: Open, red: Prediction) -> None:
    store = limited(count=25)

    def write(number: int) -> int:
        with suppress(CorrectionsFull):
            store.add_correction(red, f"{number}", JPEG)
            return 1
        return 0

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(write, range(48))) == store.count() == 25


WRITER = """
import contextlib, sys
import numpy as np
from model.answer.prediction import Milliseconds, Prediction
from model.corrections import CorrectionStore
from model.corrections.database import Limits
from model.errors import CorrectionsFull

times = Milliseconds(0, 0, 0, 0)
prediction = Prediction("m", "v", "e", ("a", "b"), np.array([1, 0], np.float32), times)
# Both processes start to write at the same time.
print("ready", flush=True)
sys.stdin.readline()
store = CorrectionStore(sys.argv[1], Limits(25, 10**9, 10**9))
for number in range(30):
    with contextlib.suppress(CorrectionsFull):
        store.add_correction(prediction, str(number))
        print(number)
"""


def test_processes_create_one_database_and_keep_the_limit_together(database_url: str) -> None:
    command = [sys.executable, "-c", WRITER, database_url]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    saved = sum(len(process.communicate(timeout=60)[0].split()) for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    with closing(CorrectionStore(database_url)) as store:
        assert saved == store.count() == 25


def test_repeated_correction_replaces_the_first(limited: Open, red: Prediction) -> None:
    store = limited(count=2)
    first, second = (store.add_correction(red, label) for label in "ab")
    # Also when there is no room for another.
    assert store.add_correction(red, "a", JPEG, repeats=first) == first
    assert (store.count(), store.get_photo(first)) == (2, JPEG)
    assert store.add_correction(red, "a", repeats=first) == first
    assert store.get_photo(first) is None
    # The owner deleted it meanwhile: its number is not used again.
    store.delete(first)
    assert store.add_correction(red, "a", repeats=first) > second


def test_refused_repetition_keeps_the_first_correction(limited: Open, red: Prediction) -> None:
    store = limited(photo_bytes=0)
    first = store.add_correction(red, "a")
    with pytest.raises(CorrectionsFull):
        store.add_correction(red, "a", JPEG, repeats=first)
    (kept,) = store.iter_corrections()
    assert (kept.id, kept.has_photo) == (first, False)


def test_app_has_the_limits_of_its_settings(
    own_corrections: None, red: Prediction, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Limits.from_settings() == Limits(10_000, 500 * 2**20, 60)
    monkeypatch.setenv("LOUPE_CORRECTIONS_MAX", "1")
    settings.cache_clear()
    correction_store().add_correction(red, "a")
    with pytest.raises(CorrectionsFull):
        correction_store().add_correction(red, "b")
