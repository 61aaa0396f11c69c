"""``model.corrections.database``: errors of a database in plain words, without its password."""

import logging
import os
import sqlite3
import sys
import traceback
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, event
from sqlalchemy.exc import OperationalError

from model import Prediction
from model.corrections import CorrectionStore
from model.corrections.database import connect, create_table, parse_url
from model.errors import DataError
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
