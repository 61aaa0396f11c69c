"""The data folder in one file, and back into a new folder.

    from model.backup import back_up, restore

    back_up(Path("loupe.zip"))
    restore(Path("loupe.zip"), Path("new-data"))

The file is a zip in which ``loupe-backup.json`` gives the format, the date, and size and
SHA-256 of every file. Hashes show damage, not forgery: restore only what you saved yourself.
"""

import hashlib
import os
import platform
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, ValidationError

from .answer.share_link import KEY_FILE
from .bundle import CURRENT_FILE, StrictModel
from .errors import ArchiveError, DataError
from .settings import settings
from .storage import zips
from .storage.disk import replace_atomically, require_space, translate_disk_errors

CONTENTS = "loupe-backup.json"
CORRECTIONS_FILE = "records.sqlite"
FILES = (CORRECTIONS_FILE, KEY_FILE)
FOLDERS = ("models", "runs", "training")
"""With ``FILES``, all that a backup may contain."""

REMADE = ("derived", "phone")
"""Folders that the app makes again: files for browsers, exports, the authority of `make phone`."""

MAX_FILES = 20_000
"""Files in a backup; a version of a model has four."""

MAX_CONTENTS_BYTES = 8 * 2**20
"""Bytes of the zip's directory and of ``loupe-backup.json``, which are read into memory."""

RESTORE_PREFIX = ".loupe-restore-"


class Entry(StrictModel):
    """A file: its path with forward slashes, and its time of change in Unix seconds."""

    path: str
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    modified: Annotated[int, Field(ge=0, lt=2**40)]


class Contents(StrictModel):
    """``loupe-backup.json``; ``corrections`` is their number, None if they were left out."""

    format: Literal[1]
    made: AwareDatetime
    versions: dict[str, str]
    corrections: Annotated[int, Field(ge=0)] | None
    files: tuple[Entry, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models."""
        paths = (entry.path.split("/") for entry in self.files)
        return tuple(sorted({parts[1] for parts in paths if parts[0] == "models"}))


def back_up(file: Path, *, corrections: bool = True) -> tuple[Contents, list[str]]:
    """Save models and corrections into a zip; an existing backup is replaced at the very end.

    Safe while the app runs: a version of a model never changes, and corrections are copied as
    of one moment. Corrections in PostgreSQL are left out: ``pg_dump`` saves them.

    The zip is readable by its owner alone, since it holds photos and a key.

    Returns:
        What was saved, and what was left out: paths in the data folder, some of them ``REMADE``,
        or a database.

    Raises:
        ArchiveError: there are too many files, or two whose names some disks treat as one.
        DataError: there is nothing to save, ``file`` isn't replaced, or the database fails.
        OSError: something can't be read or written.
    """
    data = settings().data.resolve()
    file = file.parent.resolve() / file.name
    if file.is_relative_to(data):
        raise DataError(
            f"{file} is inside the data folder that is being saved. Name another "
            "folder, preferably on another disk."
        )
    if file.exists():
        try:
            with _open_backup(file):
                pass
        except ArchiveError:
            raise DataError(
                f"{file} exists and isn't a backup, so it isn't replaced. Name another file."
            ) from None
    with translate_disk_errors(file.parent), replace_atomically(file, durable=True) as temporary:
        left_out = _write_backup(temporary, data, corrections=corrections)
        # Checked as a restore would, before it replaces another.
        with _open_backup(temporary) as (_, contents):
            return contents, left_out


def _write_backup(file: Path, data: Path, *, corrections: bool) -> list[str]:
    """Write the zip; return what was left out."""
    entries, left_out, count = [], [], None
    file.touch(mode=0o600)
    with (
        tempfile.TemporaryDirectory(prefix=".loupe-backup-", dir=file.parent) as scratch,
        zipfile.ZipFile(file, "w", strict_timestamps=False) as zipped,
    ):
        has_database = settings().database.get_secret_value() or (data / CORRECTIONS_FILE).is_file()
        if corrections and has_database:
            database = Path(scratch, CORRECTIONS_FILE)
            if (count := _copy_corrections(database)) is None:
                left_out.append("corrections, which are in PostgreSQL: save them with pg_dump")
            else:
                entries.append(_add(zipped, CORRECTIONS_FILE, database))
        for path in _iter_sources(data):
            name = path.relative_to(data).as_posix()
            if path.is_file() and not path.is_symlink() and _is_allowed(name):
                entries.append(_add(zipped, name, path))
            else:
                left_out.append(name)
        if not entries:
            raise DataError(f"There is nothing to save in {data}.")
        contents = Contents(
            format=1,
            made=datetime.now(UTC).replace(microsecond=0),
            versions={"python": platform.python_version(), "sqlite": sqlite3.sqlite_version},
            corrections=count,
            files=tuple(entries),
        )
        zipped.writestr(CONTENTS, contents.model_dump_json(indent=1))
    return left_out


def _copy_corrections(target: Path) -> int | None:
    """Copy the corrections as of one moment; return their number, None if they aren't in SQLite."""
    # Imported on first use: SQLAlchemy takes 20 MB.
    from .corrections import CorrectionStore, parse_url

    url = settings().database_url
    if parse_url(url).get_backend_name() != "sqlite":
        return None
    with closing(CorrectionStore(url)) as store:
        return store.copy_to(target)


def _iter_sources(data: Path) -> Iterator[Path]:
    """Yield what may be saved; the caller saves each before the next is listed."""
    # Before versions are listed, so that the version it names is among them.
    current = sorted(data.glob(f"models/[!.]*/{CURRENT_FILE}"))
    yield from current
    for top in _list_visible(data):
        if top.name in ("models", "runs"):
            for path in _list_visible(top):
                yield from (below for below in _walk(path) if below not in current)
        elif top.name not in FOLDERS and not top.name.startswith(CORRECTIONS_FILE):
            yield top


def _is_allowed(path: str) -> bool:
    """Return whether a path may be in a backup: part of a data folder, safe on every disk."""
    top, _, below = path.partition("/")
    return top in (FOLDERS if below else FILES) and zips.is_portable_path(path)


def _list_visible(folder: Path) -> list[Path]:
    """Return what is in a folder, without hidden files, which are temporary or abandoned."""
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def _walk(top: Path) -> Iterator[Path]:
    """Yield all files and links below a path, or the path itself if it is one."""
    if top.is_symlink() or not top.is_dir():
        yield top
    else:
        for path in _list_visible(top):
            yield from _walk(path)


def _add(zipped: zipfile.ZipFile, name: str, source: Path) -> Entry:
    """Copy a file into the zip, read it back and return its entry."""
    modified = max(0, int(source.stat().st_mtime))
    zipped.write(source, name)
    size, sha256 = zipped.getinfo(name).file_size, _hash_member(zipped, name)
    return Entry(path=name, bytes=size, sha256=sha256, modified=modified)


def _hash_member(zipped: zipfile.ZipFile, name: str) -> str:
    with _translate_damage(), zipped.open(name) as member:
        assert isinstance(member, zipfile.ZipExtFile)
        return hashlib.file_digest(member, "sha256").hexdigest()


def restore(file: Path, folder: Path, *, corrections: bool = True) -> Contents:
    """Unpack a backup into a new or empty folder, once every file matches its hash.

    Raises:
        ArchiveError: the file is no backup, damaged, hostile, or of another format.
        DataError: the folder isn't empty, or its disk has too little space.
        OSError: something can't be read or written.
    """
    with _open_backup(file) as (zipped, contents), translate_disk_errors(folder):
        if not corrections:
            files = tuple(entry for entry in contents.files if entry.path != CORRECTIONS_FILE)
            contents = contents.model_copy(update={"files": files, "corrections": None})
        # A new volume has a folder "lost+found".
        if any(path.name != "lost+found" for path in _list_visible(folder)):
            raise DataError(
                f"{folder} isn't empty, and nothing in it is overwritten. Restore into a new "
                "folder with --to, then set LOUPE_DATA to it."
            )
        require_space(folder, sum(entry.bytes for entry in contents.files))
        for entry in contents.files:
            if _hash_member(zipped, entry.path) != entry.sha256:
                raise ArchiveError(f"{entry.path} in this backup is damaged. Copy the file again.")
        _unpack(zipped, contents, folder)
        return contents


def _unpack(zipped: zipfile.ZipFile, contents: Contents, folder: Path) -> None:
    """Unpack files that only their owner can read, and move them into place at the end."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for abandoned in folder.glob(f"{RESTORE_PREFIX}*"):
        shutil.rmtree(abandoned)
    with tempfile.TemporaryDirectory(prefix=RESTORE_PREFIX, dir=folder) as name:
        scratch = Path(name)
        for entry in contents.files:
            path = Path(zipped.extract(entry.path, scratch))
            path.chmod(0o600)
            os.utime(path, (entry.modified, entry.modified))
        for path in scratch.iterdir():
            path.rename(folder / path.name)


@contextmanager
def _open_backup(path: Path) -> Iterator[tuple[zipfile.ZipFile, Contents]]:
    """Yield a backup whose names, sizes and format are checked; no file in it is read yet.

    Raises:
        ArchiveError: it is no backup, damaged, hostile, or of another format.
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        with _translate_damage():
            zipped = zips.open_zip(
                file, max_entries=MAX_FILES + 1, max_directory_bytes=MAX_CONTENTS_BYTES
            )
            zips.check_layout(file, zipped)
        with zipped:
            contents = _read_contents(zipped)
            _check_members(zipped, contents)
            yield zipped, contents


@contextmanager
def _translate_damage() -> Iterator[None]:
    try:
        with zips.translate_zip_errors():
            yield
    except zips.TooManyEntries:
        raise ArchiveError(f"This has more files than a backup may hold: {MAX_FILES:,}.") from None
    except zips.ZipDamaged:
        raise ArchiveError(
            "This isn't a Loupe backup, or it is damaged or incomplete. "
            "Name another file, or copy this one again."
        ) from None


def _read_contents(zipped: zipfile.ZipFile) -> Contents:
    with _translate_damage():
        data = zips.read_member(zipped, zipped.getinfo(CONTENTS), MAX_CONTENTS_BYTES)
    try:
        return Contents.model_validate_json(data)
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"])) or "no JSON"
        raise ArchiveError(
            f"{CONTENTS} in this backup can't be used: {field}. A newer Loupe may have written it."
        ) from None


def _check_members(zipped: zipfile.ZipFile, contents: Contents) -> None:
    """Check that the zip holds the listed files and no others."""
    paths = [entry.path for entry in contents.files]
    for path in paths:
        if not _is_allowed(path):
            raise ArchiveError(
                f"This backup names {path[:100]!r}, which isn't a file of a data folder."
            )
    if duplicate := zips.find_clash(paths):
        raise ArchiveError(f"This backup names {duplicate[:100]!r} twice, or below a file.")
    infos = zipped.infolist()
    listed = {(entry.path, entry.bytes) for entry in contents.files}
    stored = {(info.filename, info.file_size) for info in infos if info.filename != CONTENTS}
    if listed != stored or len(infos) != len(listed) + 1:
        raise ArchiveError(
            f"This backup doesn't hold the files that its {CONTENTS} lists. Copy the file again."
        )
