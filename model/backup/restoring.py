"""One file → the data folder: checked, unpacked beside it, and swapped by rename."""

import os
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..atomic import fsync_path
from ..errors import DataError
from ..settings import ROOT, settings
from .contents import PARTS, RECORDS, Contents, Entry
from .database import counted, held, kept, poured
from .opening import Archive, opened
from .swapping import renamable, swap

__all__ = ["Restored", "restore"]

SPARE = 64 * 2**20
"""Bytes of the disk that are not used."""

UNFINISHED = "restore-unfinished-"
FORMER = "before-restore-"
MOVED = (f"{RECORDS}-wal", f"{RECORDS}-shm", f"{RECORDS}-journal", *PARTS)
"""What moves where the folder itself cannot: first what SQLite may have left beside its file."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and where the former data are kept; None where there were none.

    ``corrections`` is how many came from the backup, None where the present ones stayed.
    """

    contents: Contents
    data: Path
    former: Path | None
    corrections: int | None


def restore(file: Path, *, records: bool = True) -> Restored:
    """Put what a backup holds in the place of the data folder; the former one is kept.

    Everything is checked before anything is written, and unpacked before anything is
    replaced. Then one step swaps the folders. Where the data folder cannot be renamed
    (a volume, a home, a folder above that may not be written to) its parts are swapped
    one after the other: a kill just then leaves each of them whole but of two dates, and
    the same command again mends it.

    Where ``LOUPE_DATABASE`` is set, corrections are copied there instead; it must hold none.

    Args:
        file: what ``back_up`` wrote.
        records: False leaves the present corrections as they are.

    Raises:
        ArchiveError: the backup is damaged, hostile, or of another format.
        DataError: a running app has the records open, the disk is full or refuses, or
            the database of ``LOUPE_DATABASE`` holds corrections already.
    """
    data = settings().data.resolve()
    with opened(file) as archive:
        archive.verify()
        with held(data / RECORDS):
            pass
        try:
            return _restored(archive, data, records and archive.contents.corrections is not None)
        except OSError as error:
            what = error.filename or data
            raise DataError(f"{what} cannot be written: {error.strerror}.") from error


def _restored(archive: Archive, data: Path, records: bool) -> Restored:
    whole = renamable(data, (ROOT, Path.home()))
    bench = _bench(data, whole)
    new, fetched = bench / "data", bench / RECORDS
    done = False
    try:
        _check_space(archive, bench)
        new.mkdir()
        for entry in archive.contents.files:
            if entry.path != RECORDS:
                _unpack(archive, entry, new / entry.path)
            elif records:
                _unpack(archive, entry, fetched)
                counted(fetched)
        with ExitStack() as stack:
            if records and settings().database.get_secret_value():
                url = settings().database_url
                stack.enter_context(poured(f"sqlite:///{fetched}", url))
            elif records:
                fetched.rename(new / RECORDS)
            present = stack.enter_context(held(data / RECORDS))
            if present and not (new / RECORDS).exists():
                kept(present, new / RECORDS)
            _settle(new, data)
            # From here on nothing is removed: what is in the way may be the former data.
            done = True
            _swap(new, data, whole)
        former = _keep(new, data, whole)
        return Restored(
            archive.contents, data, former, archive.contents.corrections if records else None
        )
    finally:
        if not done or not new.exists():
            shutil.rmtree(bench, ignore_errors=True)


def _bench(data: Path, whole: bool) -> Path:
    """A folder on the same disk; its name says what it is should a kill leave it there."""
    if not whole:
        data.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=data))
    data.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{data.name}-{UNFINISHED}", dir=data.parent))


def _check_space(archive: Archive, bench: Path) -> None:
    free = shutil.disk_usage(bench).free
    if archive.size + SPARE > free:
        raise DataError(
            f"This backup needs {(archive.size + SPARE) / 1e6:,.0f} MB beside the present data, "
            f"and {free / 1e6:,.0f} MB are free. Free some space."
        )


def _unpack(archive: Archive, entry: Entry, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    archive.unpack(entry, path)


def _settle(new: Path, data: Path) -> None:
    """Owner and mode as the present data folder's, and everything on the disk."""
    present = data.stat() if data.is_dir() else None
    if present:
        new.chmod(present.st_mode & 0o777)
    for where, _, files in os.walk(new):
        for path in (Path(where), *(Path(where) / name for name in files)):
            if present and present.st_uid != path.stat().st_uid and hasattr(os, "chown"):
                os.chown(path, present.st_uid, present.st_gid)
        fsync_path(Path(where))


def _swap(new: Path, data: Path, whole: bool) -> None:
    if whole:
        swap(new, data)
        return
    done: list[str] = []
    try:
        for part in MOVED:
            swap(new / part, data / part)
            done.append(part)
    except OSError:
        for part in reversed(done):
            swap(new / part, data / part)
        raise


def _keep(new: Path, data: Path, whole: bool) -> Path | None:
    """Give the former data a name that says what they are; None where there were none."""
    if not new.exists():
        return None
    if not any(new.iterdir()):
        new.rmdir()
        return None
    name = f"{FORMER}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    place = data.with_name(f"{data.name}-{name}") if whole else data / name
    count = 1
    while place.exists():
        count += 1
        place = place.with_name(f"{place.name.split('~')[0]}~{count}")
    new.rename(place)
    fsync_path(place.parent)
    return place
