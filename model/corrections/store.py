"""The table of corrections, and the store that reads and writes it."""

import hmac
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa
from PIL import Image

from ..answer.prediction import Prediction
from ..errors import DataError
from ..settings import settings
from ..text import clean
from . import database

MAX_LABEL_LENGTH = 200
"""Longest label, in characters."""

MAX_LABELS = 20
"""Maximum number of labels in one correction."""

LABEL_SEPARATOR = "; "
"""Separator between several labels of one photo; none of them may contain a semicolon."""

ROWS_PER_PAGE = 500
"""Rows read at a time, because a caller may go through them slowly."""

FOLDER, PHOTO_PREFIX = "corrections", "correction-"
"""Folder in the data folder with the photos to train on, and the beginning of their names."""

SAVED = "Saved for the owner of this app, who may use it to improve the model"
FORM = f"{SAVED}: your word, the model’s answer and the time."

WORDINGS = {
    "form-1": FORM,
    "form-photo-1": f"{FORM} Save a small copy of my photo as well.",
    "tap-1": f"{SAVED}.",
    "tap-photo-1": f"{SAVED}. Send a small copy too, without place and time.",
}
"""What visitors read when they save, by the name that pages send: free text could be anything."""

TABLE = sa.Table(
    "corrections",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("created", sa.DateTime(timezone=True), nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("engine", sa.Text, nullable=False),
    sa.Column("predicted", sa.Text),
    sa.Column("probability", sa.Float, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("known", sa.Boolean, nullable=False),
    sa.Column("photo", sa.LargeBinary),
    sa.Column("wording", sa.Text),
    sa.Column("undo_sha256", sa.Text),
    sa.Column("visit", sa.Text),
    sa.Column("label_probability", sa.Float),
    sa.Column("appearance", sa.Text),
    sa.Column("review", sa.Text),
    sa.Column("reviewed_label", sa.Text),
    # An id is never used twice, even after a deletion: exports name photos by it.
    sqlite_autoincrement=True,
)


Review = Literal["kept", "dropped"]


@dataclass(frozen=True, slots=True)
class Correction:
    """The label that a visitor gave instead of the model's.

    Attributes:
        created: in UTC.
        predicted: the model's top label; None if it said "none of these".
        probability: of the top label, even if the model said "none of these".
        label: what the visitor chose or typed; several labels are joined by ``LABEL_SEPARATOR``.
        known: True if the model has the label, or all of several.
        wording: what the visitor read; None from API clients and earlier releases.
        visit: equal for the corrections of one visit; None from API clients and earlier releases.
        label_probability: the model's, of the visitor's label; None for a label that it lacks.
        appearance: see ``hash_appearance``; None without a photo.
        review: what the owner decided: "kept", "dropped" or None.
        reviewed_label: the owner's label instead of the visitor's.
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
    wording: str | None
    visit: str | None = None
    label_probability: float | None = None
    appearance: str | None = None
    review: Review | None = None
    reviewed_label: str | None = None


class CorrectionStore(database.StoredTable):
    """The corrections in one database."""

    def __init__(self, url: str, limits: database.Limits | None = None) -> None:
        """Open it; ``limits`` are what all that share it may add, None means anything."""
        super().__init__(url, TABLE, "corrections")
        self._limits = limits

    def add_correction(
        self,
        prediction: Prediction,
        label: str | Sequence[str],
        photo: bytes | None = None,
        *,
        repeats: int | None = None,
        wording: str | None = None,
        undo_key: str | None = None,
        visit: str | None = None,
    ) -> int:
        """Save a visitor's correction; return its id, by which the owner can delete it.

        Args:
            label: what the photo shows, in the visitor's words or the model's; several labels
                for a model that gives several.
            photo: a JPEG made by ``Photo.to_jpeg``; None unless the visitor agreed.
            repeats: the id of the same correction, saved before, which this one replaces.
            wording: the name in ``WORDINGS`` of what the visitor read.
            undo_key: a random secret that allows ``delete`` for a day; only its hash is saved.
            visit: a secret of the visit; only its hash is saved.

        Raises:
            DataError: a label is empty or longer than 200 characters, the photo is no JPEG, or
                the database can't be written to.
            CorrectionsFull, TooManyCorrections: it is beyond the limits.
        """
        labels = _check_labels([label] if isinstance(label, str) else label)
        if photo is not None and not photo.startswith(b"\xff\xd8"):
            raise DataError("This photo is not a JPEG, the only format that corrections keep.")
        top = prediction.top(1)[0]
        known = dict(zip(map(clean, prediction.labels), prediction.probabilities, strict=True))
        values: dict[str, Any] = {
            "model": prediction.model,
            "version": prediction.version,
            "engine": prediction.engine,
            "predicted": None if prediction.in_distribution is False else clean(top.label),
            "probability": top.probability,
            "label": LABEL_SEPARATOR.join(labels),
            "known": known.keys() >= {*labels},
            "photo": photo,
            "visit": visit and sha256(visit.encode()).hexdigest()[:16],
            "label_probability": float(known[labels[0]]) if labels[0] in known else None,
            "appearance": hash_appearance(photo) if photo else None,
            "wording": wording and WORDINGS[wording],
            "undo_sha256": undo_key and sha256(undo_key.encode()).hexdigest(),
        }
        first = sa.delete(TABLE).where(TABLE.c.id == repeats)
        with self.writing() as connection:
            database.begin_exclusive(connection)
            # A correction that the owner deleted meanwhile leaves its id unused.
            if repeats and connection.execute(first).rowcount:
                values["id"] = repeats
                remove_training_photo(repeats)
            values["created"] = datetime.now(UTC)
            if self._limits:
                database.check_limits(connection, TABLE, self._limits, photo, values["created"])
            key = connection.execute(sa.insert(TABLE).values(values)).inserted_primary_key
        assert key is not None  # a single row was inserted
        return int(key[0])

    def iter_corrections(self) -> Iterator[Correction]:
        """Yield all corrections, oldest first, without their photos."""
        columns = [column for column in TABLE.c if column.name not in ("photo", "undo_sha256")]
        has_photo = TABLE.c.photo.is_not(None).label("has_photo")
        query = sa.select(*columns, has_photo).order_by(TABLE.c.id).limit(ROWS_PER_PAGE)
        last_id = 0
        while True:
            with self.reading() as connection:
                rows = connection.execute(query.where(TABLE.c.id > last_id)).mappings().all()
            for row in rows:
                yield Correction(**{**row, "created": database.to_utc(row["created"])})
            if len(rows) < ROWS_PER_PAGE:
                return
            last_id = rows[-1]["id"]

    def review(self, ids: Iterable[int], review: Review | None, label: str | None = None) -> None:
        """Save the owner's decision on corrections, and perhaps a label instead of the visitors'.

        Raises:
            DataError: the label is empty or too long, or the database can't be written to.
        """
        values = {"review": review, "reviewed_label": label and _check_labels([label])[0]}
        query = sa.update(TABLE).where(TABLE.c.id.in_([*ids])).values(values)
        with self.writing() as connection:
            connection.execute(query)

    def get_photo(self, correction_id: int) -> bytes | None:
        """Return the JPEG of the correction with that id; None without one."""
        query = sa.select(TABLE.c.photo).where(TABLE.c.id == correction_id)
        with self.reading() as connection:
            photo = connection.scalar(query)
        return None if photo is None else bytes(photo)

    def count(self) -> int:
        """Return the number of corrections."""
        with self.reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(TABLE)) or 0

    def delete(self, correction_id: int, undo_key: str | None = None) -> bool:
        """Delete the correction with that id and its photo; return False if there was none.

        Its photo is no longer among those to train on, either.

        With ``undo_key``, only one that was saved with this key in the last 24 hours is deleted.
        SQLite overwrites the photo's bytes immediately, PostgreSQL at its next VACUUM.
        """
        is_meant = TABLE.c.id == correction_id
        query = sa.delete(TABLE).where(is_meant)
        with self.writing() as connection:
            if undo_key is not None:
                is_young = TABLE.c.created > datetime.now(UTC) - timedelta(days=1)
                saved = sa.select(TABLE.c.undo_sha256).where(is_meant, is_young)
                given = sha256(undo_key.encode()).hexdigest()
                if not hmac.compare_digest(str(connection.scalar(saved)), given):
                    return False
            is_deleted = connection.execute(query).rowcount > 0
        remove_training_photo(correction_id)
        if is_deleted and self._engine.dialect.name == "sqlite":
            with self.reading("written") as connection:
                # The write-ahead log still holds the photo as it was added.
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return is_deleted

    def copy_to(self, file: Path) -> int:
        """Copy an SQLite database as of one moment into a new file; return the number copied.

        Other processes may write meanwhile. The copy is one file without a write-ahead log.

        Raises:
            DataError: the database is damaged or stays locked, or the file can't be written.
        """
        with self.reading("saved") as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("VACUUM INTO ?", (str(file),))
        with closing(CorrectionStore(f"sqlite:///{file}")) as copy:
            with copy.reading("saved") as connection:
                if connection.exec_driver_sql("PRAGMA integrity_check").scalar() != "ok":
                    raise DataError(
                        "The database of corrections is damaged, so it can't be saved. Restore an "
                        "earlier backup, or leave it out with --without-records."
                    )
            return copy.count()


@lru_cache(maxsize=1)
def correction_store() -> CorrectionStore:
    """Return the store of this process, with the settings' database, opened on first use.

    Raises:
        DataError: the database can't be used; the next call tries again.
    """
    return CorrectionStore(settings().database_url, database.Limits.from_settings())


def remove_training_photo(correction_id: int) -> None:
    """Remove a correction's photo from the training folder."""
    for path in (settings().data / FOLDER).glob(f"*/*/{PHOTO_PREFIX}{correction_id}.jpg"):
        path.unlink(missing_ok=True)


def hash_appearance(jpeg: bytes) -> str | None:
    """Return a hash of 64 bits, as hexadecimal digits, that differs little for similar photos.

    None for a photo that can't be read. Source: dHash, the signs of the differences between
    neighbours in the rows of a copy of 9 × 8 pixels.
    """
    try:
        with Image.open(BytesIO(jpeg), formats=["JPEG"]) as image:
            image.draft("L", (72, 64))
            small = np.asarray(image.convert("L").resize((9, 8)))
    except OSError:
        return None
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()


def _check_labels(labels: Sequence[str]) -> list[str]:
    """Return the labels cleaned."""
    # Cut first, because cleaning takes time that grows with the text.
    cleaned = [clean(label[: 10 * MAX_LABEL_LENGTH]) for label in labels]
    if any(len(label) > MAX_LABEL_LENGTH for label in (*labels, *cleaned)):
        raise DataError(f"The label is longer than {MAX_LABEL_LENGTH} characters. Shorten it.")
    if not cleaned or not all(cleaned):
        raise DataError("The label is empty. Type what the photo shows.")
    if len(cleaned) > MAX_LABELS:
        raise DataError(f"There are {len(cleaned)} labels; the limit is {MAX_LABELS}. Use fewer.")
    if len(cleaned) > 1 and any(";" in label for label in cleaned):
        raise DataError("One of several labels contains a semicolon. Use a label without one.")
    return cleaned
