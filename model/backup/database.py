"""Records for a backup: a consistent copy of SQLite's file, or the rows of any database."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ..errors import ArchiveError, DataError

__all__ = ["copied", "counted", "held", "kept", "poured"]

PATIENCE = 60
"""Seconds that a copy waits for a writer who keeps the whole file to himself."""

PAGE = 20
"""Rows copied at a time: each may hold a photo."""


def copied(source: Path, target: Path) -> int:
    """SQLite's file as it is at one moment, while others write; returns how many corrections.

    Raises:
        DataError: it is damaged, busy for a minute, or cannot be read or written.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=rw", uri=True)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            # All pages in one step: one moment, and in WAL mode nobody waits for it.
            live.backup(copy, progress=_patience())
            # One file, without another beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
        return counted(target)
    except sqlite3.Error as error:
        raise DataError(f"The records ({source}) cannot be saved: {error}.") from error
    except ArchiveError as error:
        raise DataError(f"The records ({source}) cannot be saved: {error}") from error


def counted(file: Path) -> int:
    """How many corrections are in SQLite's file, once it is found whole.

    Raises:
        ArchiveError: it is damaged, or holds what runs by itself.
    """
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as opened:
            opened.execute("PRAGMA trusted_schema=OFF")
            kinds = {kind for (kind,) in opened.execute("SELECT type FROM sqlite_schema")}
            if kinds - {"table", "index"}:
                raise ArchiveError("Its records hold a view or a trigger, as Loupe writes none.")
            if opened.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise ArchiveError("Its records are damaged: SQLite's own check finds faults.")
            names = {name for (name,) in opened.execute("SELECT name FROM sqlite_schema")}
            if "corrections" not in names:
                return 0
            return int(opened.execute("SELECT count(*) FROM corrections").fetchone()[0])
    except sqlite3.Error as error:
        raise ArchiveError(f"Its records are not a whole SQLite file: {error}.") from error


@contextmanager
def held(file: Path) -> Iterator[sqlite3.Connection | None]:
    """Keep others from SQLite's file meanwhile; None for one that is not there.

    Raises:
        DataError: a running app has it open.
    """
    if not file.is_file():
        yield None
        return
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True, timeout=0)) as own:
        try:
            # Leaving WAL mode takes the file alone, makes the log part of it, and so leaves
            # no second file that could be taken for the new records'.
            own.execute("PRAGMA journal_mode=DELETE")
            own.execute("PRAGMA locking_mode=EXCLUSIVE")
            own.execute("BEGIN EXCLUSIVE")
            # The lock stays, and without a transaction the file can be copied from here.
            own.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            # A damaged one may be why it is being restored.
            if "locked" in str(error):
                raise DataError(
                    f"A running app has the records ({file}) open. Stop it and restore again: "
                    "it would go on writing to the former ones."
                ) from None
        yield own


def kept(held_file: sqlite3.Connection, target: Path) -> None:
    """Copy records that are held.

    Raises:
        DataError: they are damaged.
    """
    try:
        with closing(sqlite3.connect(target)) as copy:
            held_file.backup(copy, progress=_patience())
    except sqlite3.Error as error:
        raise DataError(
            f"The present records cannot be kept: {error}. Restore without --without-records."
        ) from error


@contextmanager
def poured(source: str, target: str) -> Iterator[int]:
    """Copy all corrections of one database into another; they are there when the block ends well.

    Args:
        source: SQLAlchemy's URL.
        target: the same; its table is made, and must be empty.

    Raises:
        DataError: one of them refuses, or the target holds corrections.
    """
    from sqlalchemy import func, insert, select, text

    from ..corrections import CorrectionStore
    from ..corrections.database import connect, parse_url, translate_database_errors
    from ..corrections.store import TABLE

    CorrectionStore(target).close()
    origin, goal = connect(parse_url(source)), connect(parse_url(target))
    count, last = 0, 0
    try:
        with (
            translate_database_errors("copied"),
            origin.connect() as reading,
            goal.begin() as writing,
        ):
            if origin.dialect.name == "postgresql":
                reading.execution_options(isolation_level="REPEATABLE READ")
            else:
                reading.exec_driver_sql("BEGIN")
            if writing.scalar(select(func.count()).select_from(TABLE)):
                raise DataError(
                    "The database that LOUPE_DATABASE names holds corrections already, and they "
                    "are not overwritten. Name an empty one, or add --without-records."
                )
            page = select(TABLE).order_by(TABLE.c.id).limit(PAGE)
            while rows := reading.execute(page.where(TABLE.c.id > last)).mappings().all():
                writing.execute(
                    insert(TABLE), [{**row, "created": _utc(row["created"])} for row in rows]
                )
                count, last = count + len(rows), rows[-1]["id"]
            if count and goal.dialect.name == "postgresql":
                following = "SELECT setval(pg_get_serial_sequence('corrections', 'id'), :last)"
                writing.execute(text(following), {"last": last})
            yield count
    finally:
        origin.dispose()
        goal.dispose()


def _patience() -> Callable[[int, int, int], None]:
    """Python's own loop over a busy file would never end."""
    until = time.monotonic() + PATIENCE

    def patient(*_: int) -> None:
        if time.monotonic() > until:
            raise DataError("The records were kept busy for too long. Try again.")

    return patient


def _utc(moment: datetime) -> datetime:
    # SQLite keeps no time zone: what was written is UTC.
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
