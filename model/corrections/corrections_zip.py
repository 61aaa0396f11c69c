"""Corrections as a zip: one folder of photos per label, and all rows in one table."""

import re
import unicodedata
import zipfile
from dataclasses import asdict
from pathlib import Path

from pathvalidate import sanitize_filename
from pathvalidate.handler import ReservedNameHandler

from ..errors import DataError
from ..storage.disk import replace_atomically
from ..storage.zips import escape_formula, write_csv
from .store import Correction, CorrectionStore

CSV_NAME = "corrections.csv"

COLUMNS = "id created model version engine predicted probability label known file wording".split()

MAX_NAME_BYTES = 180
"""Longest name of a folder, in UTF-8 bytes; most file systems end at 255."""

EDGES = re.compile(r"^[\s.]+|[\s.]+$")
"""Spaces and dots at the ends of a name."""


class FolderNames:
    """A safe folder name for each label; never the same for two labels."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        # A folder must not take the table's name.
        self._taken = {_disk_key(CSV_NAME)}

    def get_name(self, label: str) -> str:
        """Return the label's folder; labels that look alike on a disk get different ones."""
        if label not in self._names:
            base, count = _to_safe_name(label), 1
            name = base
            while _disk_key(name) in self._taken:
                count += 1
                name = f"{base} ({count})"
            self._taken.add(_disk_key(name))
            self._names[label] = name
        return self._names[label]


def export_corrections(store: CorrectionStore, file: Path) -> int:
    """Write all corrections and photos into a zip; return the number of corrections.

    ``corrections.csv`` has every row; a row's photo is in its label's folder, as ``LABEL/ID.jpg``,
    so that the zip unpacks to one folder per label. An existing file is replaced only once the
    zip is complete.

    Raises:
        DataError: the database can't be read, or the file can't be written.
    """
    folders, rows = FolderNames(), []
    try:
        with replace_atomically(file) as temporary:
            # It may hold visitors' photos.
            temporary.touch(mode=0o600)
            with zipfile.ZipFile(temporary, "w") as archive:
                for correction in store.iter_corrections():
                    path = ""
                    # A photo may have been deleted since its row was read.
                    if correction.has_photo and (photo := store.get_photo(correction.id)):
                        path = f"{folders.get_name(correction.label)}/{correction.id}.jpg"
                        timestamp = correction.created.timetuple()[:6]
                        archive.writestr(zipfile.ZipInfo(path, timestamp), photo)
                    rows.append(_to_row(correction, path))
                archive.writestr(CSV_NAME, write_csv(COLUMNS, rows), zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise DataError(f"{file} can't be written: {error.strerror}.") from error
    return len(rows)


def _to_row(correction: Correction, path: str) -> list[object]:
    values = asdict(correction) | {
        "created": correction.created.isoformat(timespec="seconds"),
        "probability": f"{correction.probability:.6f}",
        "known": int(correction.known),
        "file": path,
    }
    return [values[column] for column in COLUMNS]


def _to_safe_name(label: str) -> str:
    """Return a name that every common system accepts and that stays inside its folder."""
    text = unicodedata.normalize("NFC", label.encode("utf-8", "replace").decode())
    # A dot in front hides a folder, and Windows drops one at the end.
    name = sanitize_filename(
        EDGES.sub("", text),
        replacement_text="_",
        platform="universal",
        max_len=MAX_NAME_BYTES,
        reserved_name_handler=ReservedNameHandler.add_leading_underscore,
    )
    # Shortening may have made a space or a dot the last character.
    name = EDGES.sub("", name)
    # A name that a spreadsheet or a shell takes for a formula or an option gets an underscore.
    return f"_{name}" if not name or name != escape_formula(name) else name


def _disk_key(name: str) -> str:
    """Return a key that is equal for names that some disks treat as one (case, accents)."""
    return unicodedata.normalize("NFKD", name).casefold()
