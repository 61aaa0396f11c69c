"""Connections to a database by URL, its errors in plain words, and what visitors may add to it.

The URL may hold a password, so it is never shown and never part of an error. Limits are checked in
the transaction that adds a correction, so they hold for all threads, processes and replicas that
share a database. No address of a visitor is read or kept.
"""

import math
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from ..errors import CorrectionsFull, DataError, TooManyCorrections
from ..settings import settings
from ..storage.disk import free_bytes, make_private

TIMEOUT_SECONDS = 30
"""Longest wait for other writers, PostgreSQL's reply, or a connection of the pool, in seconds."""

CONNECT_TIMEOUT_SECONDS = 10
"""Longest time to connect to PostgreSQL, in seconds."""

REASONS = {
    ("disk is full", "no space left", "diskfull"): "the disk is full. Free some space.",
    ("readonly", "read-only"): "the database is read-only. Let this user write to it.",
    ("unable to open",): "its file can't be opened. Check that LOUPE_DATA can be written to.",
    ("locked",): "other processes kept it busy for too long. Try again.",
    ("malformed", "not a database"): "its file is damaged. Restore it from a backup.",
    ("password auth", "no password"): "the user name or password in LOUPE_DATABASE is wrong.",
    ("does not exist",): "the database in LOUPE_DATABASE, or its table, doesn't exist.",
    (
        "permission denied",
        "must be owner",
    ): "its user can't create or write tables. Grant it these rights.",
    ("connection", "timeout"): "the database doesn't respond. Check LOUPE_DATABASE.",
}
"""Reasons by fragments of drivers' messages, in lower case; the first match counts."""


def parse_url(url: str) -> sa.URL:
    """Return the URL with its driver; ``postgres://`` and ``postgresql://`` mean psycopg.

    Raises:
        DataError: it is not a URL, or the database is neither SQLite nor PostgreSQL.
    """
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        backend = ""
    if backend in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed.set(drivername="sqlite")
    raise DataError(
        "LOUPE_DATABASE is not a supported database URL. Use sqlite:////folder/file or "
        "postgresql://user:password@host/database."
    )


def connect(url: sa.URL) -> sa.Engine:
    """Return an engine for a parsed URL; it connects when first used.

    Raises:
        DataError: the driver is missing, or the folder of the file can't be created.
    """
    if url.get_backend_name() == "sqlite":
        return _connect_sqlite(url)
    try:
        engine = sa.create_engine(
            url,
            pool_pre_ping=True,
            pool_timeout=TIMEOUT_SECONDS,
            hide_parameters=True,
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                # A server that vanished would be waited for for a quarter of an hour or more.
                "keepalives_idle": CONNECT_TIMEOUT_SECONDS,
                "tcp_user_timeout": CONNECT_TIMEOUT_SECONDS * 1000,
            },
        )
    except ImportError:
        raise DataError(
            'PostgreSQL needs a driver. Install it with: pip install "psycopg[binary]"'
        ) from None
    # Before SQLAlchemy's own listeners, which send queries.
    sa.event.listen(engine, "connect", _limit_waits, insert=True)
    return engine


def _limit_waits(connection: Any, _: object) -> None:
    """Give up on a server that hangs: its system keeps the connection, so TCP has no timeout."""
    wait = connection.wait

    def limit(steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        ready = None
        try:
            while True:
                wanted, ends = steps.send(ready), time.monotonic() + TIMEOUT_SECONDS
                # Resumed ten times a second while nothing arrives.
                while not (ready := (yield wanted)):
                    if time.monotonic() > ends:
                        connection.close()
                        raise connection.OperationalError("timeout")
        except StopIteration as end:
            return end.value

    connection.wait = lambda steps, *words, **options: wait(limit(steps), *words, **options)


def _connect_sqlite(url: sa.URL) -> sa.Engine:
    file = Path(url.database or "")
    # A "file:" address is parsed by SQLite itself, which creates no folder for it.
    if not str(url.database).startswith("file:"):
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"The database's folder can't be created: {error.strerror}. "
                "Check that LOUPE_DATA can be written to."
            ) from None
        with suppress(OSError):
            # SQLite's own errors say what is wrong.
            file.touch(mode=0o600)
        make_private(file)
    engine = sa.create_engine(
        url,
        pool_timeout=TIMEOUT_SECONDS,
        hide_parameters=True,
        connect_args={"timeout": TIMEOUT_SECONDS},
    )
    sa.event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    # With a write-ahead log, readers and a writer don't wait for each other.
    cursor.execute("PRAGMA journal_mode=WAL")
    # Deleted rows are overwritten, because they may hold a visitor's photo.
    cursor.execute("PRAGMA secure_delete=ON")
    # Triggers and views of a database from elsewhere can't call functions with side effects.
    cursor.execute("PRAGMA trusted_schema=OFF")
    cursor.close()


def create_table(engine: sa.Engine, table: sa.Table) -> None:
    """Create a table, or add the columns that it lacks; other processes may do the same.

    Raises:
        SQLAlchemyError: it can't be created or changed.
    """
    for attempts_left in reversed(range(50)):
        try:
            table.create(engine, checkfirst=True)
            existing = {column["name"] for column in sa.inspect(engine).get_columns(table.name)}
            with engine.begin() as connection:
                for column in [column for column in table.c if column.name not in existing]:
                    definition = f"{column.name} {column.type.compile(engine.dialect)}"
                    connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {definition}")
            return
        except SQLAlchemyError as error:
            # Another process may have done so in between, or be about to.
            is_refused = "must be owner" in str(error)
            is_done = not is_refused and sa.inspect(engine).has_table(table.name)
            if not attempts_left or not (is_done or "locked" in str(error)):
                engine.dispose()  # callers try again with another one
                raise
            time.sleep(0.1)


class StoredTable:
    """A table in one database, of ``rows`` in messages. Safe under threads and processes.

    Every method raises ``DataError`` if the database can't be used.
    """

    def __init__(self, url: str, table: sa.Table, rows: str) -> None:
        """Open the database at an SQLAlchemy URL; create its folder and the table if missing."""
        self._engine, self._rows = connect(parse_url(url)), rows
        with self.translate_errors("opened"):
            create_table(self._engine, table)

    def close(self) -> None:
        """Close all connections; they are opened again when needed."""
        self._engine.dispose()

    @contextmanager
    def reading(self, action: str = "read") -> Iterator[sa.Connection]:
        """Yield a connection."""
        with self.translate_errors(action), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction, which an exception rolls back."""
        with self.translate_errors("written"), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def translate_errors(self, action: str) -> Iterator[None]:
        """Turn errors of the database into a ``DataError``; ``action`` can't be done: "written"."""
        try:
            yield
        except SQLAlchemyError as error:
            # "from None", because the driver's message may hold parts of the URL.
            raise DataError(f"The {self._rows} can't be {action}: {_reason(error)}") from None


def _reason(error: SQLAlchemyError) -> str:
    """Return the reason, without quoting the driver's message."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    message = f"{type(origin).__name__} {origin}".lower()
    for fragments, reason in REASONS.items():
        if any(fragment in message for fragment in fragments):
            return reason
    return f"the database reports {type(origin).__name__}. Check LOUPE_DATABASE."


WINDOW = timedelta(minutes=1)
ROW_BYTES = 2**16
"""Upper bound of what a correction takes besides its photo, in bytes."""

LOCK_KEY = 0x6C6F757065
"""Number of PostgreSQL's advisory lock: "loupe" in ASCII."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most corrections in all, bytes of their photos, and corrections a minute."""

    count: int
    photo_bytes: int
    per_minute: int

    @classmethod
    def from_settings(cls) -> "Limits":
        """Return the limits that the owner set."""
        own = settings()
        return cls(own.corrections_max, own.corrections_mb * 2**20, own.corrections_per_minute)


def begin_exclusive(connection: sa.Connection) -> None:
    """Begin a transaction that waits for others that add corrections, so that counts hold."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def check_limits(
    connection: sa.Connection, table: sa.Table, limits: Limits, photo: bytes | None, now: datetime
) -> None:
    """Check that one more correction may be added.

    Args:
        connection: in a transaction begun by ``begin_exclusive``.
        now: in UTC.

    Raises:
        CorrectionsFull: there are too many, their photos take too much, or the disk is full.
        TooManyCorrections: too many were added within a minute.
    """
    # A clock that was set back leaves rows from the future, which must not block for long.
    recent = table.c.created.between(now - WINDOW, now + WINDOW)
    query: Any = sa.select(
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(sa.func.length(table.c.photo)), 0),
        sa.func.count().filter(recent),
        sa.func.min(table.c.created).filter(recent),
    ).select_from(table)
    count, photo_bytes, recent_count, oldest = connection.execute(query).one()
    if not limits.count:
        raise CorrectionsFull("This app saves no corrections.")
    if count >= limits.count:
        raise CorrectionsFull(
            f"This app has reached its limit for corrections ({limits.count:,}). Its owner can "
            "export and delete some."
        )
    if photo and photo_bytes + len(photo) > limits.photo_bytes:
        raise CorrectionsFull(
            "This app keeps no more photos. Save the correction without the photo."
        )
    if recent_count >= limits.per_minute:
        wait = math.ceil((to_utc(oldest) + WINDOW - now).total_seconds()) if oldest else 60
        seconds = min(60, max(1, wait))
        raise TooManyCorrections(
            f"Too many corrections are being saved. Try again in {seconds} s.", seconds
        )
    file = connection.engine.url.database or ""
    # A "file:" address has options; only SQLite parses it.
    is_file = connection.dialect.name == "sqlite" and not file.startswith("file:")
    if is_file and free_bytes(Path(file).parent) < len(photo or b"") + ROW_BYTES:
        raise CorrectionsFull("The disk of this app is almost full. Its owner can free some space.")


def to_utc(moment: datetime) -> datetime:
    """Return a moment in UTC; SQLite drops the time zone of what was written in UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
