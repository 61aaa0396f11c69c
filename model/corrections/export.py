"""Corrections as a zip: a folder of photos a label, and all rows in one table."""

import csv
import io
import re
import unicodedata
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import DataError

if TYPE_CHECKING:
    from .store import Correction, CorrectionStore

__all__ = ["Folders", "cell", "export"]

CSV = "corrections.csv"

COLUMNS = (
    "id",
    "created",
    "model",
    "version",
    "engine",
    "predicted",
    "probability",
    "label",
    "known",
    "file",
)

RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE
)
FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')

MAX_BYTES = 180
"""UTF-8 bytes of a folder's name; most file systems end at 255."""


class Folders:
    """A safe folder's name for each label; never one for two labels."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        # A folder must not take the table's name.
        self._taken = {_key(CSV)}

    def of(self, label: str) -> str:
        """The label's folder; two labels that look alike on a disk get different ones."""
        if label not in self._names:
            safe, count = _safe(label), 1
            name = safe
            while _key(name) in self._taken:
                count += 1
                name = f"{safe} ({count})"
            self._taken.add(_key(name))
            self._names[label] = name
        return self._names[label]


def export(records: "CorrectionStore", file: Path | BinaryIO) -> int:
    """See ``Records.export``. A path is replaced only once the zip is whole."""
    if not isinstance(file, Path):
        return _write(records, file)
    part = file.with_name(file.name + ".part")
    try:
        try:
            with part.open("wb") as opened:
                count = _write(records, opened)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{file} cannot be written: {error.strerror}.") from error
    return count


def cell(text: str | None) -> str:
    """Text that a spreadsheet does not take for a formula."""
    text = text or ""
    # Some spreadsheets take full-width signs, too.
    first = unicodedata.normalize("NFKC", text[:1])
    return f"'{text}" if first and first in "=+-@\t\r" else text


def _write(records: "CorrectionStore", file: BinaryIO) -> int:
    folders, table, count = Folders(), io.StringIO(newline=""), 0
    rows = csv.writer(table)
    rows.writerow(COLUMNS)
    with zipfile.ZipFile(file, "w") as archive:
        for correction in records.corrections():
            path = ""
            # A photo may have been deleted since its row was read.
            if correction.has_photo and (photo := records.photo(correction.id)):
                path = f"{folders.of(correction.label)}/{correction.id}.jpg"
                when = correction.created.timetuple()[:6]
                archive.writestr(zipfile.ZipInfo(path, when), photo)
            rows.writerow(_row(correction, path))
            count += 1
        archive.writestr(CSV, table.getvalue(), zipfile.ZIP_DEFLATED)
    return count


def _row(correction: "Correction", path: str) -> tuple[object, ...]:
    return (
        correction.id,
        correction.created.isoformat(timespec="seconds"),
        cell(correction.model),
        cell(correction.version),
        cell(correction.engine),
        cell(correction.predicted),
        f"{correction.probability:.6f}",
        cell(correction.label),
        int(correction.known),
        path,
    )


def _safe(label: str) -> str:
    """A name that every usual system takes, and that stays inside its folder."""
    name = FORBIDDEN.sub("_", unicodedata.normalize("NFC", label))
    name = name.encode("utf-8", "replace")[:MAX_BYTES].decode("utf-8", "ignore")
    # Windows drops spaces and dots at the end; a dot in front hides a folder.
    name = name.lstrip(". ").rstrip(". ") or "_"
    return f"_{name}" if RESERVED.fullmatch(name) or name != cell(name) else name


def _key(name: str) -> str:
    """Equal for names that are one on a disk that ignores case or composes accents."""
    return unicodedata.normalize("NFKD", name).casefold()
