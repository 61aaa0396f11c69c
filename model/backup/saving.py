"""The data folder → one file, while the app runs."""

import hashlib
import os
import platform
import shutil
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..atomic import fsync_path
from ..bundle import ABANDONED_SECONDS, CURRENT_FILE
from ..errors import DataError, LoupeError
from ..settings import settings
from .contents import CONTENTS, FORMAT, MAX_FILES, PARTS, RECORDS, Contents, Entry, clash, odd
from .database import copied, poured
from .opening import opened

__all__ = ["Saved", "back_up"]

CHUNK = 2**20
PREFIX = ".loupe-backup-"

Source = Path | bytes
"""A file to save, or what was in it when its folder was looked at."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a backup holds. ``corrections`` is None where the records were left out.

    ``left_out`` names, as paths in the data folder, what is there and not in the file.
    """

    contents: Contents
    bytes: int
    left_out: tuple[str, ...]


def back_up(file: Path, *, training: bool = False, records: bool = True) -> Saved:
    """Save models and records into a zip; the file is replaced only once the new one is whole.

    Safe while the app runs: a model's version never changes, its pointer is read before
    its versions are listed, and the records are copied as they are at one moment.
    Records that ``LOUPE_DATABASE`` keeps elsewhere are read from there.

    Args:
        file: where to; only its owner may read it, since photos are in it.
        training: with unfinished trainings, which are large.
        records: False leaves the corrections out.

    Raises:
        DataError: there is nothing to save, the file may not stand there, something
            cannot be read or written, or a training wrote meanwhile.
    """
    data = settings().data.resolve()
    file = file.parent.resolve() / file.name
    _check_target(file, data)
    try:
        with _workshop(file.parent) as bench:
            saved = _written(bench / "backup.zip", bench, data, training, records)
            (bench / "backup.zip").replace(file)
        fsync_path(file.parent)
    except OSError as error:
        what = error.filename or file
        raise DataError(f"{what} cannot be read or written: {error.strerror}.") from error
    return saved


def _check_target(file: Path, data: Path) -> None:
    if file.is_relative_to(data):
        raise DataError(
            f"{file} is in the data folder that it is to save, and would be lost with it. "
            "Name another folder, best on another disk."
        )
    if not file.exists():
        return
    try:
        with opened(file):
            return
    except LoupeError:
        raise DataError(
            f"{file} is there and no backup of Loupe, so it is not replaced. Name another file."
        ) from None


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """A folder of one's own beside the target; what a kill left there a day ago is removed."""
    for left in folder.glob(f"{PREFIX}*"):
        if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=folder) as made:
        yield Path(made)


def _written(part: Path, bench: Path, data: Path, training: bool, records: bool) -> Saved:
    corrections = _records(data, bench / RECORDS) if records else None
    left_out: list[str] = []
    before = _states(data / "training") if training else {}
    entries: list[Entry] = []
    # Readable by its owner alone: it holds visitors' photos.
    with (
        os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw,
        zipfile.ZipFile(raw, "w", zipfile.ZIP_STORED) as zipped,
    ):
        for path, source in _sources(data, training, left_out):
            entries.append(_added(zipped, path, source))
        if corrections is not None:
            entries.append(_added(zipped, RECORDS, bench / RECORDS))
        contents = _contents(entries, corrections)
        zipped.writestr(zipfile.ZipInfo(CONTENTS), contents.model_dump_json(indent=1))
        zipped.close()
        raw.flush()
        os.fsync(raw.fileno())
    if training and _states(data / "training") != before:
        raise DataError(
            "A training wrote into its folder meanwhile. Try again, end it first (it can be gone "
            "on with), or leave --with-training out."
        )
    return Saved(contents, part.stat().st_size, tuple(left_out))


def _contents(entries: list[Entry], corrections: int | None) -> Contents:
    if not entries:
        raise DataError(f"There is nothing to save in {settings().data}.")
    if len(entries) > MAX_FILES:
        raise DataError(
            f"There are {len(entries):,} files in {settings().data}, and a backup holds at most "
            f"{MAX_FILES:,}. Delete versions of models that nobody needs."
        )
    return Contents(
        format=FORMAT,
        made=datetime.now(UTC).replace(microsecond=0),
        versions={"python": platform.python_version(), "sqlite": sqlite3.sqlite_version},
        corrections=corrections,
        files=tuple(entries),
    )


def _records(data: Path, copy: Path) -> int | None:
    """Copy the records of this app into a file of SQLite's; None where there are none yet."""
    source = data / RECORDS
    if settings().database.get_secret_value():
        source = copy.with_name("elsewhere.sqlite")
        with poured(settings().database_url, f"sqlite:///{source}"):
            pass
    return copied(source, copy) if source.is_file() else None


def _sources(data: Path, training: bool, left_out: list[str]) -> list[tuple[str, Source]]:
    """What is to be saved, by its path in the backup; says what is not."""
    others = [path.name for path in _folders(data) if path.name not in PARTS]
    left_out += [name for name in others if not name.startswith(f"{RECORDS}-")]
    found: list[tuple[str, Source]] = []
    for model in _folders(data / "models"):
        # Before the versions are listed, so that the one it names is among them.
        pointer = model / CURRENT_FILE
        if pointer.is_file() and not pointer.is_symlink():
            found.append((f"models/{model.name}/{CURRENT_FILE}", pointer.read_bytes()))
        found += [
            one for one in _below(model, data) if one[0] != f"models/{model.name}/{CURRENT_FILE}"
        ]
    if training:
        for folder in _folders(data / "training"):
            found += _below(folder, data)
    left_out += [path for path, source in found if not _whole(path, source)]
    found = [(path, source) for path, source in found if _whole(path, source)]
    if twice := clash(path for path, _ in found):
        raise DataError(f"{data / twice} is one with another on many disks. Rename one of them.")
    return found


def _folders(shelf: Path) -> list[Path]:
    if not shelf.is_dir():
        return []
    return [path for path in sorted(shelf.iterdir()) if not path.name.startswith(".")]


def _below(top: Path, data: Path) -> list[tuple[str, Source]]:
    """All files and links in a folder. What is hidden is being written, or was left behind."""
    if top.is_symlink() or not top.is_dir():
        return [(top.relative_to(data).as_posix(), top)]
    found: list[tuple[str, Source]] = []
    for path in _folders(top):
        found += _below(path, data)
    return found


def _whole(path: str, source: Source) -> bool:
    if isinstance(source, bytes):
        return odd(path) is None
    return source.is_file() and not source.is_symlink() and odd(path) is None


def _added(zipped: zipfile.ZipFile, path: str, source: Source) -> Entry:
    """Copy into the zip what is to be saved, and say what it was."""
    digest, count, modified = hashlib.sha256(), 0, int(time.time())
    info = zipfile.ZipInfo(path)
    info.external_attr = 0o600 << 16
    with zipped.open(info, "w", force_zip64=True) as into:
        if isinstance(source, bytes):
            into.write(source)
            digest.update(source)
            count = len(source)
        else:
            with source.open("rb") as file:
                modified = int(os.fstat(file.fileno()).st_mtime)
                while chunk := file.read(CHUNK):
                    into.write(chunk)
                    digest.update(chunk)
                    count += len(chunk)
    return Entry(path=path, bytes=count, sha256=digest.hexdigest(), modified=max(modified, 0))


def _states(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file below a folder, to see whether somebody writes there."""
    return {
        path: (stat.st_size, stat.st_mtime_ns)
        for path, source in (one for top in _folders(folder) for one in _below(top, folder))
        if isinstance(source, Path) and (stat := source.lstat())
    }
