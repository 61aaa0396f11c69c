"""Helpers for tests of backups: corrections, and a folder byte for byte."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from model import Photo, load
from model.backup import CORRECTIONS_FILE
from model.corrections import CorrectionStore, correction_store
from tests.model.tiny import colour

JPEG = Photo.from_image(colour("red")).to_jpeg()


def add_corrections(*words: str) -> None:
    """Add corrections, every second one with a photo, and close the store."""
    red = load("tiny").identify(colour("red"))
    for number, word in enumerate(words):
        correction_store().add_correction(red, word, JPEG if number % 2 else None)
    correction_store().close()


def labels(folder: Path) -> list[str]:
    """Return the labels of all corrections in a data folder."""
    with closing(CorrectionStore(f"sqlite:///{folder / CORRECTIONS_FILE}")) as store:
        return [correction.label for correction in store.iter_corrections()]


def state(folder: Path) -> dict[str, str]:
    """Return every file of a data folder by its hash, the corrections by their rows."""
    hashes = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(CORRECTIONS_FILE)
    }
    if (folder / CORRECTIONS_FILE).exists():
        with closing(sqlite3.connect(folder / CORRECTIONS_FILE)) as database:
            rows = database.execute("SELECT * FROM corrections ORDER BY id").fetchall()
        hashes[CORRECTIONS_FILE] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return hashes


def names(folder: Path) -> list[str]:
    """Return what is in a folder, hidden files included."""
    return sorted(path.name for path in folder.iterdir())
