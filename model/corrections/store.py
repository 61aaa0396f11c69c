"""The table of corrections."""

import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from ..errors import DataError
from ..prediction import Prediction
from ..settings import settings
from .database import connect, parse, plain

__all__ = ["MAX_LABEL", "Correction", "CorrectionStore", "clean", "correction_store"]

MAX_LABEL = 200
"""Characters of a label."""

PAGE = 500
"""Rows read at a time: whoever goes through them may be slow."""

TABLE = Table(
    "corrections",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("predicted", Text),
    Column("probability", Float, nullable=False),
    Column("label", Text, nullable=False),
    Column("known", Boolean, nullable=False),
    Column("photo", LargeBinary),
    # An id is never given twice, also after a deletion: exports name photos by it.
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class Correction:
    """What a visitor said of one answer.

    ``created`` is in UTC. ``predicted`` is the model's first label, None when it
    answered "none of these"; ``probability`` is that label's, or the nearest
    one's. ``label`` is what the visitor says, ``known`` whether the model has it.
    """

    id: int
    created: datetime
    model: str
    version: str
    engine: str
    predicted: str | None
    probability: float
    label: str
    known: bool
    has_photo: bool


class CorrectionStore:
    """The corrections in one database. Safe under threads and several processes."""

    def __init__(self, url: str) -> None:
        """Open the database; its folder and table are made if they are not there.

        Args:
            url: SQLAlchemy's, of SQLite (``sqlite:///file``) or PostgreSQL.

        Raises:
            DataError: the URL, its driver or the database cannot be used.
        """
        self._engine = connect(parse(url))
        with plain("opened"):
            self._make_table()

    def add_correction(self, prediction: Prediction, label: str, photo: bytes | None = None) -> int:
        """Keep what a visitor says; returns the row's id.

        Args:
            prediction: the answer that it is about.
            label: what the photo shows, in the visitor's words or the model's.
            photo: a JPEG made by ``Photo.to_jpeg``; None unless the visitor agreed.

        Raises:
            DataError: the label is empty or longer than 200 characters, the photo is
                no JPEG, or the database cannot be written to.
        """
        said = _checked(label)
        if photo is not None and not photo.startswith(b"\xff\xd8"):
            raise DataError("That photo is not a JPEG, the only form in which photos are kept.")
        first = prediction.top(1)[0]
        values = {
            "created": datetime.now(UTC),
            "model": prediction.model,
            "version": prediction.version,
            "engine": prediction.engine,
            "predicted": None if prediction.known is False else clean(first.label),
            "probability": first.probability,
            "label": said,
            "known": said in map(clean, prediction.labels),
            "photo": photo,
        }
        with plain("written"), self._engine.begin() as connection:
            key = connection.execute(insert(TABLE).values(values)).inserted_primary_key
        assert key is not None  # a single row was inserted
        return int(key[0])

    def corrections(self) -> Iterator[Correction]:
        """All corrections, oldest first, without their photos.

        Raises:
            DataError: the database cannot be read.
        """
        columns = [column for column in TABLE.c if column.name != "photo"]
        has_photo = TABLE.c.photo.is_not(None).label("has_photo")
        page = select(*columns, has_photo).order_by(TABLE.c.id).limit(PAGE)
        last = 0
        while True:
            with plain("read"), self._engine.connect() as connection:
                rows = connection.execute(page.where(TABLE.c.id > last)).mappings().all()
            for row in rows:
                yield Correction(**{**row, "created": _utc(row["created"])})
            if len(rows) < PAGE:
                return
            last = rows[-1]["id"]

    def photo(self, number: int) -> bytes | None:
        """The JPEG of the correction with that id; None without one.

        Raises:
            DataError: the database cannot be read.
        """
        with plain("read"), self._engine.connect() as connection:
            found = connection.scalar(select(TABLE.c.photo).where(TABLE.c.id == number))
        return None if found is None else bytes(found)

    def count(self) -> int:
        """How many corrections there are.

        Raises:
            DataError: the database cannot be read.
        """
        with plain("read"), self._engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(TABLE)) or 0

    def delete(self, number: int) -> bool:
        """Forget the correction with that id and its photo; False when there was none.

        Raises:
            DataError: the database cannot be written to.
        """
        with plain("written"), self._engine.begin() as connection:
            return connection.execute(delete(TABLE).where(TABLE.c.id == number)).rowcount > 0

    def export(self, file: Path | BinaryIO) -> int:
        """Write all corrections and photos into a zip; returns how many corrections.

        ``corrections.csv`` has every row; a row's photo is in its label's folder, as
        ``LABEL/ID.jpg``, so that the zip unpacks to a folder a label.

        Raises:
            DataError: the database cannot be read, or the file not written.
        """
        from .export import export

        return export(self, file)

    def close(self) -> None:
        """Close all connections; they are opened again when needed."""
        self._engine.dispose()

    def _make_table(self) -> None:
        for left in reversed(range(50)):
            try:
                TABLE.create(self._engine, checkfirst=True)
                return
            except SQLAlchemyError as error:
                # Another process may have made it in between, or be at it just now.
                locked = "locked" in str(error)
                if not left or not (locked or inspect(self._engine).has_table(TABLE.name)):
                    raise
                time.sleep(0.1)


@lru_cache(maxsize=1)
def correction_store() -> CorrectionStore:
    """The records of this process, in the settings' database; opened on first use.

    Raises:
        DataError: the database cannot be used; the next call tries again.
    """
    return CorrectionStore(settings().database_url)


def clean(label: str) -> str:
    """A label without control characters, its spaces single and its accents composed."""
    text = " ".join(label.split())
    kept = (char for char in text if unicodedata.category(char) not in ("Cc", "Cs"))
    # Marks that turn the text around could show another label than the one kept.
    plain_text = "".join(char for char in kept if not "\u202a" <= char <= "\u202e")
    return unicodedata.normalize("NFC", plain_text).strip()


def _checked(label: str) -> str:
    said = clean(label[: 10 * MAX_LABEL])
    if max(len(said), len(label)) > MAX_LABEL:
        raise DataError(f"That label is longer than {MAX_LABEL} characters. Use a shorter one.")
    if not said:
        raise DataError("That label is empty. Say what the photo shows.")
    return said


def _utc(moment: datetime) -> datetime:
    # SQLite keeps no time zone: what was written is UTC.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
