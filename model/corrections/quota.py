"""Limits of what visitors may add, for the whole app: number, bytes of photos, rate, disk.

They are checked in the transaction that adds a correction, so they hold for any number of
threads, processes and replicas that share a database. No address of a visitor is read or kept.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, select, text

from ..errors import CorrectionsFull, TooManyCorrections
from ..settings import settings
from ..storage.disk import free_bytes

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
        values = settings()
        return cls(
            values.corrections_max, values.corrections_mb * 2**20, values.corrections_per_minute
        )


def begin_exclusive(connection: Connection) -> None:
    """Begin a transaction that waits for others that add corrections, so that counts hold."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def check_limits(
    connection: Connection, table: Table, limits: Limits, photo: bytes | None, now: datetime
) -> None:
    """Check that one more correction may be added.

    Args:
        connection: in a transaction begun by ``begin_exclusive``.
        table: the corrections.
        limits: what the app keeps.
        photo: what would be kept with it.
        now: in UTC.

    Raises:
        CorrectionsFull: there are too many, their photos take too much, or the disk is full.
        TooManyCorrections: too many were added within a minute.
    """
    # A clock that was set back leaves rows from the future, which must not block for long.
    recent = table.c.created.between(now - WINDOW, now + WINDOW)
    query: Any = select(
        func.count(),
        func.coalesce(func.sum(func.length(table.c.photo)), 0),
        func.count().filter(recent),
        func.min(table.c.created).filter(recent),
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
