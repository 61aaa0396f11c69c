"""Copies of all corrections: of the SQLite file, and from one database to another."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, func, insert, select, text

from ..errors import ArchiveError, DataError
from .database import connect, parse_url, translate_database_errors
from .store import TABLE, CorrectionStore, to_utc

__all__ = ["check_sqlite", "copy_corrections", "copy_sqlite"]

MAX_WAIT_SECONDS = 60
"""Longest wait for a writer that keeps the file locked, in seconds."""

PAGE_ROWS = 20
"""Rows copied at a time; each may hold a photo."""


def copy_sqlite(source: Path, target: Path) -> int:
    """Copy the SQLite file as of one moment, while others write; return the number of corrections.

    Raises:
        DataError: the file is damaged, stays locked for a minute, or cannot be read or written.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=rw", uri=True)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            # All pages in one step, so from one moment; in WAL mode no writer waits for it.
            live.backup(copy, progress=_deadline())
            # A single file, without a write-ahead log beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
        return check_sqlite(target)
    except (sqlite3.Error, ArchiveError) as error:
        raise DataError(f"The corrections in {source} can't be saved: {error}") from error


def check_sqlite(file: Path) -> int:
    """Check a SQLite file and return its number of corrections.

    Raises:
        ArchiveError: the file is damaged, or holds code that SQLite would run.
    """
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("PRAGMA trusted_schema=OFF")
            schema = dict(database.execute("SELECT name, type FROM sqlite_schema"))
            if set(schema.values()) - {"table", "index"}:
                raise ArchiveError(
                    "The corrections database holds a view or a trigger, which Loupe never writes."
                )
            if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise ArchiveError("The corrections database is damaged: SQLite's check fails.")
            if "corrections" not in schema:
                return 0
            return int(database.execute("SELECT count(*) FROM corrections").fetchone()[0])
    except sqlite3.Error as error:
        message = f"The corrections database isn't a complete SQLite file: {error}."
        raise ArchiveError(message) from error


@contextmanager
def copy_corrections(source_url: str, target_url: str) -> Iterator[int]:
    """Copy all corrections from one database to another; committed if the block succeeds.

    Args:
        source_url: an SQLAlchemy URL.
        target_url: an SQLAlchemy URL; the table is created, and must be empty.

    Raises:
        DataError: a database fails, or the target already holds corrections.
    """
    CorrectionStore(target_url).close()
    source, target = connect(parse_url(source_url)), connect(parse_url(target_url))
    try:
        with (
            translate_database_errors("copied"),
            source.connect() as reading,
            target.begin() as writing,
        ):
            # Read the source as of one moment, however long the copy takes.
            if source.dialect.name == "postgresql":
                reading.execution_options(isolation_level="REPEATABLE READ")
            else:
                reading.exec_driver_sql("BEGIN")
            yield _copy_rows(reading, writing)
    finally:
        source.dispose()
        target.dispose()


def _copy_rows(reading: Connection, writing: Connection) -> int:
    if writing.scalar(select(func.count()).select_from(TABLE)):
        raise DataError(
            "The database in LOUPE_DATABASE already holds corrections, and they aren't "
            "overwritten. Use an empty one, or add --without-records."
        )
    count, last_id = 0, 0
    page = select(TABLE).order_by(TABLE.c.id).limit(PAGE_ROWS)
    while rows := reading.execute(page.where(TABLE.c.id > last_id)).mappings().all():
        writing.execute(insert(TABLE), [{**row, "created": to_utc(row["created"])} for row in rows])
        count, last_id = count + len(rows), rows[-1]["id"]
    if count and writing.dialect.name == "postgresql":
        writing.execute(
            text("SELECT setval(pg_get_serial_sequence('corrections', 'id'), :last_id)"),
            {"last_id": last_id},
        )
    return count


def _deadline() -> Callable[[int, int, int], None]:
    """Return a progress callback that stops a copy; on a busy file it would retry forever."""
    deadline = time.monotonic() + MAX_WAIT_SECONDS

    def check(*_: int) -> None:
        if time.monotonic() > deadline:
            raise DataError("The corrections were locked for too long. Try again.")

    return check
