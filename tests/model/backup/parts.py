"""What the tests of backups look at: corrections, and a folder byte for byte."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from model import Photo, load
from model.backup.contents import RECORDS
from model.corrections import CorrectionStore, correction_store
from tests.model.tiny import colour

JPEG = Photo.from_image(colour("red")).to_jpeg()


def said(count: int, word: str = "word") -> None:
    red = load("tiny").identify(colour("red"))
    for number in range(count):
        correction_store().add_correction(red, f"{word} {number}", JPEG if number % 2 else None)


def labels(data: Path) -> list[str]:
    with closing(CorrectionStore(f"sqlite:///{data / RECORDS}")) as kept:
        return [one.label for one in kept.iter_corrections()]


def whole(data: Path) -> dict[str, str]:
    """Every file of a data folder by its hash, the records by their rows."""
    found = {
        path.relative_to(data).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(data.rglob("*"))
        if path.is_file() and not path.name.startswith(RECORDS)
    }
    if (data / RECORDS).exists():
        with closing(sqlite3.connect(data / RECORDS)) as kept:
            rows = kept.execute("SELECT * FROM corrections ORDER BY id").fetchall()
        found[RECORDS] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


def beside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
