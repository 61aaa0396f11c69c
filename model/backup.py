"""The data folder in one file, and back into a new folder.

    from model.backup import back_up, restore

    back_up(Path("loupe.zip"))
    restore(Path("loupe.zip"), Path("new-data"))

The file is an uncompressed zip, so it can't be a zip bomb. Inside, ``loupe-backup.json``
gives the format, the date, and size and SHA-256 of every file. Hashes show damage, not
forgery: restore only what you saved yourself.
"""

import hashlib
import io
import json
import os
import platform
import shutil
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from . import zips
from .atomic import fsync_path
from .bundle.registry import ABANDONED_SECONDS, CURRENT_FILE
from .errors import ArchiveError, DataError, LoupeError
from .settings import settings
from .share_link import KEY_FILE

__all__ = ["BackupResult", "RestoreResult", "back_up", "restore"]

FORMAT = 1
CONTENTS = "loupe-backup.json"
CORRECTIONS_FILE = "records.sqlite"
FILES = (CORRECTIONS_FILE, KEY_FILE)
FOLDERS = ("models", "training")
"""With ``FILES``, all that Loupe keeps in its data folder. Nothing else is saved."""

MAX_FILES = 20_000
"""Files in a backup; a version of a model has four."""

MAX_CONTENTS_BYTES = 8 * 2**20
"""Bytes of the zip's directory and of ``loupe-backup.json``, which are read into memory."""

RESERVED_BYTES = 64 * 2**20
"""Bytes of the disk that a restore leaves free."""

CHUNK_BYTES = 2**20
BACKUP_PREFIX, RESTORE_PREFIX = ".loupe-backup-", ".loupe-restore-"


class _Entry(BaseModel):
    """A file: its path with forward slashes, and its time of change in Unix seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str, Field(min_length=1)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    modified: Annotated[int, Field(ge=0, lt=2**40)]


class _Contents(BaseModel):
    """``loupe-backup.json``; ``corrections`` is their number, None if they were left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Annotated[int, Field(strict=True)]
    made: AwareDatetime
    versions: dict[str, str]
    corrections: Annotated[int, Field(ge=0)] | None
    files: tuple[_Entry, ...]

    @property
    def models(self) -> tuple[str, ...]:
        paths = (entry.path.split("/") for entry in self.files)
        return tuple(sorted({parts[1] for parts in paths if parts[0] == "models"}))


@dataclass(frozen=True, slots=True)
class BackupResult:
    """The contents of a backup and its size.

    ``corrections`` is their number, None if they were left out. ``left_out`` lists paths in
    the data folder that were not saved.
    """

    models: tuple[str, ...]
    corrections: int | None
    bytes: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """The contents of ``folder``; ``corrections`` is None if they were left out."""

    models: tuple[str, ...]
    corrections: int | None
    created: datetime
    folder: Path


def back_up(file: Path, *, training: bool = False, corrections: bool = True) -> BackupResult:
    """Save models and corrections into a zip; an existing backup is replaced at the very end.

    Safe while the app runs: a version of a model never changes, the name of the current one
    is read before versions are listed, and corrections are copied as of one moment, including
    those in ``LOUPE_DATABASE``.

    Args:
        file: the zip, readable by its owner alone, since it holds photos and a key.
        training: include unfinished training runs, which are large.
        corrections: include the corrections.

    Raises:
        DataError: there is nothing to save, ``file`` may not be written, something cannot be
            read or written, or a training run wrote meanwhile.
    """
    data = settings().data.resolve()
    file = file.parent.resolve() / file.name
    _check_target(file, data)
    try:
        _remove_abandoned(file.parent)
        with tempfile.TemporaryDirectory(prefix=BACKUP_PREFIX, dir=file.parent) as scratch:
            zip_file = Path(scratch, "backup.zip")
            result = _write_backup(zip_file, data, training=training, corrections=corrections)
            zip_file.replace(file)
        fsync_path(file.parent)
    except OSError as error:
        path = error.filename or file
        raise DataError(f"{path} can't be read or written: {error.strerror}.") from error
    return result


def _check_target(file: Path, data: Path) -> None:
    if file.is_relative_to(data):
        raise DataError(
            f"{file} is inside the data folder that is being saved. Name another "
            "folder, preferably on another disk."
        )
    if file.exists():
        try:
            with _open_backup(file):
                return
        except LoupeError:
            raise DataError(
                f"{file} exists and isn't a backup, so it isn't replaced. Name another file."
            ) from None


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed backups left in a folder more than a day ago."""
    for path in folder.glob(f"{BACKUP_PREFIX}*"):
        if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _write_backup(file: Path, data: Path, *, training: bool, corrections: bool) -> BackupResult:
    copy = file.with_name(CORRECTIONS_FILE)
    count = _copy_corrections(data, copy) if corrections else None
    before = _file_states(data / "training") if training else {}
    sources, left_out = _collect_sources(data, training=training)
    if count is not None:
        sources[CORRECTIONS_FILE] = copy
    if not sources:
        raise DataError(f"There is nothing to save in {data}.")
    if len(sources) > MAX_FILES:
        raise DataError(
            f"{data} holds {len(sources):,} files; a backup holds at most {MAX_FILES:,}. Delete "
            "versions of models that you don't need."
        )
    with _create_private(file) as raw, zipfile.ZipFile(raw, "w", zipfile.ZIP_STORED) as zipped:
        contents = _Contents(
            format=FORMAT,
            made=datetime.now(UTC).replace(microsecond=0),
            versions={"python": platform.python_version(), "sqlite": sqlite3.sqlite_version},
            corrections=count,
            files=tuple(_add(zipped, path, source) for path, source in sources.items()),
        )
        zipped.writestr(zipfile.ZipInfo(CONTENTS), contents.model_dump_json(indent=1))
    fsync_path(file)
    if training and _file_states(data / "training") != before:
        raise DataError(
            "A training run wrote into its folder meanwhile. Try again, stop the run first (it can "
            "be resumed), or leave out --with-training."
        )
    return BackupResult(contents.models, count, file.stat().st_size, tuple(left_out))


def _copy_corrections(data: Path, copy: Path) -> int | None:
    """Copy the corrections into a SQLite file; return their number, None without a database."""
    from .corrections.snapshot import copy_corrections, copy_sqlite

    source = data / CORRECTIONS_FILE
    if settings().database.get_secret_value():
        source = copy.with_name("elsewhere.sqlite")
        with copy_corrections(settings().database_url, f"sqlite:///{source}"):
            pass
    return copy_sqlite(source, copy) if source.is_file() else None


def _collect_sources(data: Path, *, training: bool) -> tuple[dict[str, Path | bytes], list[str]]:
    """Return what to save, by its path in the backup, and the paths that are left out."""
    candidates: dict[str, Path | bytes] = {}
    models = _list_visible(data / "models")
    for model in models:
        # Read before versions are listed, so that the version it names is among them.
        current = model / CURRENT_FILE
        if current.is_file() and not current.is_symlink():
            candidates[f"models/{model.name}/{CURRENT_FILE}"] = current.read_bytes()
    runs = _list_visible(data / "training") if training else []
    for path in (path for top in (*models, *runs, data / KEY_FILE) for path in _walk(top)):
        candidates.setdefault(path.relative_to(data).as_posix(), path)
    suffixes = ("-wal", "-shm", "-journal")
    expected = {*FOLDERS, *FILES, *(f"{CORRECTIONS_FILE}{suffix}" for suffix in suffixes)}
    left_out = [path.name for path in _list_visible(data) if path.name not in expected]
    sources = {}
    for name, source in candidates.items():
        is_plain = isinstance(source, bytes) or (source.is_file() and not source.is_symlink())
        if is_plain and _is_allowed(name):
            sources[name] = source
        else:
            left_out.append(name)
    if duplicate := zips.find_clash(sources):
        raise DataError(
            f"{data / duplicate} has the same name as another file on some disks. Rename one."
        )
    return sources, left_out


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
    if top.is_dir() and not top.is_symlink():
        for path in _list_visible(top):
            yield from _walk(path)
    elif top.exists() or top.is_symlink():
        yield top


def _file_states(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return size and time of change of every file below a folder."""
    stats = {path: path.lstat() for path in _walk(folder)}
    return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}


def _create_private(path: Path) -> IO[bytes]:
    """Create a file that only its owner can read, open for writing."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _copy_chunks(chunks: Iterable[bytes], target: IO[bytes]) -> tuple[int, str]:
    """Write chunks to a file; return their bytes and SHA-256."""
    digest, count = hashlib.sha256(), 0
    for chunk in chunks:
        target.write(chunk)
        digest.update(chunk)
        count += len(chunk)
    return count, digest.hexdigest()


def _add(zipped: zipfile.ZipFile, path: str, source: Path | bytes) -> _Entry:
    """Copy a file into the zip and return its entry."""
    info = zipfile.ZipInfo(path)
    info.external_attr = 0o600 << 16
    modified = int(time.time() if isinstance(source, bytes) else source.stat().st_mtime)
    with (
        io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file,
        zipped.open(info, "w", force_zip64=True) as member,
    ):
        count, sha256 = _copy_chunks(iter(partial(file.read, CHUNK_BYTES), b""), member)
    return _Entry(path=path, bytes=count, sha256=sha256, modified=max(0, modified))


def restore(file: Path, folder: Path | None = None, *, corrections: bool = True) -> RestoreResult:
    """Unpack a backup into a new or empty folder, every file checked against its hash.

    If ``LOUPE_DATABASE`` is set, corrections are copied there instead; it must hold none.

    Args:
        file: a backup written by ``back_up``.
        folder: by default the data folder.
        corrections: restore the corrections as well.

    Raises:
        ArchiveError: the backup is damaged, hostile, or of another format.
        DataError: the folder isn't empty, it can't be written, the disk is full, or the
            database in ``LOUPE_DATABASE`` already holds corrections.
    """
    folder = (folder or settings().data).absolute()
    with _open_backup(file) as (zipped, contents):
        corrections = corrections and contents.corrections is not None
        entries = [e for e in contents.files if corrections or e.path != CORRECTIONS_FILE]
        try:
            _check_folder(folder)
            with _scratch_folder(folder) as scratch:
                _check_space(scratch, sum(entry.bytes for entry in entries))
                for entry in entries:
                    _unpack(zipped, entry, scratch / entry.path)
                _move_into_place(scratch, folder, corrections=corrections)
        except OSError as error:
            path = error.filename or folder
            raise DataError(f"{path} can't be written: {error.strerror}.") from error
    count = contents.corrections if corrections else None
    return RestoreResult(contents.models, count, contents.made, folder)


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file. Name a new folder with --to.")
    paths = list(folder.iterdir()) if folder.exists() else []
    if any(not path.name.startswith(RESTORE_PREFIX) for path in paths):
        raise DataError(
            f"{folder} isn't empty, and nothing in it is overwritten. Restore into a new folder "
            "with --to, then set LOUPE_DATA to it."
        )
    for path in paths:
        # Left behind by a restore that was killed.
        shutil.rmtree(path)


@contextmanager
def _scratch_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder inside ``folder``, which is created; both are removed if the block raises."""
    is_new = not folder.exists()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=RESTORE_PREFIX, dir=folder))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if is_new and not any(folder.iterdir()):
            folder.rmdir()


def _check_space(folder: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed_bytes + RESERVED_BYTES > free:
        raise DataError(
            f"This backup needs {(needed_bytes + RESERVED_BYTES) / 1e6:,.0f} MB, but only "
            f"{free / 1e6:,.0f} MB are free. Free some disk space."
        )


def _unpack(zipped: zipfile.ZipFile, entry: _Entry, path: Path) -> None:
    """Write a file that only its owner can read, and compare its hash.

    Raises:
        ArchiveError: it differs.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _create_private(path) as file:
        _, sha256 = _copy_chunks(_read_chunks(zipped, entry.path), file)
    fsync_path(path)
    os.utime(path, (entry.modified, entry.modified))
    if sha256 != entry.sha256:
        raise ArchiveError(f"{entry.path} in this backup is damaged. Copy the file again.")


def _read_chunks(zipped: zipfile.ZipFile, path: str) -> Iterator[bytes]:
    # A generator, so that errors of reading are translated and those of writing are not.
    with _translate_damage(), zipped.open(path) as member:
        while chunk := member.read(CHUNK_BYTES):
            yield chunk


def _move_into_place(scratch: Path, folder: Path, *, corrections: bool) -> None:
    """Give everything to the owner of the folder and move it there."""
    with ExitStack() as stack:
        if corrections:
            from .corrections.snapshot import check_sqlite, copy_corrections

            check_sqlite(scratch / CORRECTIONS_FILE)
            if settings().database.get_secret_value():
                source = f"sqlite:///{scratch / CORRECTIONS_FILE}"
                stack.enter_context(copy_corrections(source, settings().database_url))
                (scratch / CORRECTIONS_FILE).unlink()
        owner = folder.stat()
        for path in (scratch, *scratch.rglob("*")):
            # Root may restore for an app that runs as another user.
            if hasattr(os, "chown") and path.stat().st_uid != owner.st_uid:
                os.chown(path, owner.st_uid, owner.st_gid)
            if path.is_dir():
                fsync_path(path)
        for path in scratch.iterdir():
            path.rename(folder / path.name)
        fsync_path(folder)


@contextmanager
def _open_backup(path: Path) -> Iterator[tuple[zipfile.ZipFile, _Contents]]:
    """Yield a backup whose names, sizes and format are checked; no file in it is read yet.

    Raises:
        ArchiveError: it is no backup, damaged, hostile, or of another format.
        DataError: the file cannot be read.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}.") from error
    with file:
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
        raise ArchiveError("This backup lists more files than Loupe writes.") from None
    except zips.ZipDamaged:
        raise ArchiveError(
            "This Loupe backup is damaged or incomplete. Copy the file again."
        ) from None


def _read_contents(zipped: zipfile.ZipFile) -> _Contents:
    if CONTENTS not in zipped.namelist():
        raise ArchiveError(f"This file isn't a Loupe backup: it has no {CONTENTS}.")
    with _translate_damage():
        values = json.loads(zips.read_member(zipped, zipped.getinfo(CONTENTS), MAX_CONTENTS_BYTES))
    stated = values.get("format") if isinstance(values, dict) else None
    if isinstance(stated, int) and stated != FORMAT:
        fix = "Update Loupe." if stated > FORMAT else "Restore it with the version that wrote it."
        raise ArchiveError(
            f"This backup has format {stated}, and this Loupe reads format {FORMAT}. {fix}"
        )
    try:
        return _Contents.model_validate(values)
    except ValidationError as error:
        field = ".".join(str(step) for step in error.errors()[0]["loc"]) or CONTENTS
        raise ArchiveError(f"{CONTENTS} in this backup is invalid: {field}.") from None


def _check_members(zipped: zipfile.ZipFile, contents: _Contents) -> None:
    """Check that the zip holds the listed files and no others, uncompressed."""
    paths = [entry.path for entry in contents.files]
    for path in paths:
        if not _is_allowed(path):
            raise ArchiveError(
                f"This backup names {path[:100]!r}, which isn't a file of a data folder."
            )
    if duplicate := zips.find_clash(paths):
        raise ArchiveError(f"This backup names {duplicate[:100]!r} twice, or below a file.")
    infos = zipped.infolist()
    listed = {entry.path: entry.bytes for entry in contents.files}
    stored = {info.filename: info.file_size for info in infos if info.filename != CONTENTS}
    if listed != stored or len(infos) != len(listed) + 1:
        raise ArchiveError(
            f"This backup doesn't hold the files that its {CONTENTS} lists. Copy the file again."
        )
    for info in infos:
        is_stored = info.compress_type == zipfile.ZIP_STORED
        if zips.is_encrypted(info) or not is_stored or info.file_size != info.compress_size:
            raise ArchiveError(
                "This backup was repacked with compression or a password. Use the file that Loupe "
                "wrote."
            )
