"""A database by its URL, and its refusals in plain words.

The URL may hold a password: nothing here shows it or keeps it in an error.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from ..errors import DataError

__all__ = ["connect", "parse", "plain"]

WAIT = 30
"""Seconds that a writer waits for others, and that a connection is waited for."""

REASONS = {
    ("disk is full", "no space left", "diskfull"): "the disk is full. Free some space.",
    ("readonly", "read-only"): "the database is read-only. Let this user write to it.",
    ("unable to open",): "its file cannot be opened. Check that LOUPE_DATA can be written to.",
    ("locked",): "others kept it busy for too long. Try again.",
    ("malformed", "not a database"): "its file is damaged. Restore it from a copy.",
    (
        "password authentication",
        "no password",
    ): "the user name or password in LOUPE_DATABASE is wrong.",
    ("does not exist",): "the database that LOUPE_DATABASE names, or its table, is not there.",
    ("permission denied",): "its user may not make or write tables. Grant it that.",
    ("connection", "timeout"): "the database does not answer. Check LOUPE_DATABASE.",
}


def parse(url: str) -> URL:
    """The URL with its driver; ``postgres://`` and ``postgresql://`` mean psycopg.

    Raises:
        DataError: it is no URL, or of another database.
    """
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        backend = ""
    if backend in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed.set(drivername="sqlite")
    raise DataError(
        "LOUPE_DATABASE is not a URL that records can be kept at. Write sqlite:////folder/file "
        "or postgresql://user:password@host/database."
    )


def connect(url: URL) -> Engine:
    """An engine for a parsed URL; connects when first used.

    Raises:
        DataError: the driver is missing, or the folder of the file cannot be made.
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite(url)
    try:
        return create_engine(
            url,
            pool_pre_ping=True,
            pool_timeout=WAIT,
            hide_parameters=True,
            connect_args={"connect_timeout": 10},
        )
    except ImportError:
        raise DataError(
            "Keeping records in PostgreSQL needs a driver that is not installed here: "
            'pip install "psycopg[binary]"'
        ) from None


def _sqlite(url: URL) -> Engine:
    folder = Path(url.database or "").parent
    # A "file:" address is SQLite's own: its folder is not made for it.
    if not str(url.database).startswith("file:"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"The folder of the records cannot be made: {error.strerror}. "
                "Check that LOUPE_DATA can be written to."
            ) from None
    engine = create_engine(
        url, pool_timeout=WAIT, hide_parameters=True, connect_args={"timeout": WAIT}
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    # Readers and a writer don't wait for each other.
    cursor.execute("PRAGMA journal_mode=WAL")
    # What is deleted is overwritten: it may be somebody's photo.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()


@contextmanager
def plain(done: str) -> Iterator[None]:
    """Say in plain words what a database refuses.

    Args:
        done: what the records cannot be, as "written".

    Raises:
        DataError: instead of any error of the database.
    """
    try:
        yield
    except SQLAlchemyError as error:
        # "from None": what the driver says may hold parts of the URL.
        raise DataError(f"The records cannot be {done}: {reason(error)}") from None


def reason(error: SQLAlchemyError) -> str:
    """Why, in words that are ours alone."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    said = f"{type(origin).__name__} {origin}".lower()
    for signs, words in REASONS.items():
        if any(sign in said for sign in signs):
            return words
    return f"the database refuses ({type(origin).__name__}). Check LOUPE_DATABASE."
