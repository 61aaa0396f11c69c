"""The data folder in one file, and back into a new folder.

from model.backup import back_up, restore

back_up(Path("loupe.zip"))
restore(Path("loupe.zip"), Path("new-data"))
"""

import os
import platform
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import TypeAdapter

from .backup_zip import (
    CONTENTS,
    CORRECTIONS_FILE,
    FOLDERS,
    HIDDEN,
    MAX_ENTRY_BYTES,
    MAX_FILES,
    PHOTOS,
    Contents,
    Entry,
    hash_member,
    is_allowed,
    open_backup,
)
from .bundle import CURRENT_FILE
from .errors import ArchiveError, DataError
from .settings import settings
from .storage import zips
from .storage.disk import (
    free_path,
    lock_folders,
    replace_atomically,
    require_space,
    translate_disk_errors,
)
from .storage.photo_files import printable

REMADE = ("derived", "phone")
"""Folders that the app makes again: files for browsers, exports, the authority of `make phone`."""

CACHE = re.compile(r"training/[^/]+/(copies|features\.npz)(/|$)")
"""What an unfinished training run makes again from the photos when it is resumed."""

RESTORE_PREFIX = ".loupe-restore-"


def back_up(
    file: Path, *, corrections: bool = True, photos: bool = True
) -> tuple[Contents, list[str]]:
    """Save all that can't be made again into a zip, which replaces a backup at the very end.

    Safe while the app runs: a version of a model never changes, corrections are copied as of one
    moment, and uploads to photo sets wait. Corrections in PostgreSQL are left out: ``pg_dump``
    saves them.

    The zip is readable by its owner alone, since it holds photos and a key.
    Without ``photos``, photo sets, held-out photos and kept corrections are left out as well.

    Returns:
        What was saved, and what was left out: paths in the data folder, some of them ``REMADE``,
        or a database.

    Raises:
        DataError: there is nothing to save or too much, ``file`` isn't replaced, or the database
            fails.
        OSError: something can't be read or written.
    """
    data = settings().data.resolve()
    file = file.parent.resolve(strict=True) / file.name
    if file.is_relative_to(data):
        raise DataError(
            f"{file} is inside the data folder that is being saved. Name another "
            "folder, preferably on another disk."
        )
    if file.exists():
        try:
            with open_backup(file):
                pass
        except ArchiveError:
            raise DataError(
                f"{file} exists and isn't a backup, so it isn't replaced. Name another file."
            ) from None
    with translate_disk_errors(file.parent), replace_atomically(file, durable=True) as temporary:
        left_out = _write_backup(temporary, data, corrections=corrections, photos=photos)
        # Checked as a restore would, before it replaces another.
        with open_backup(temporary) as (_, contents):
            return contents, left_out


def _write_backup(file: Path, data: Path, *, corrections: bool, photos: bool) -> list[str]:
    """Write the zip; return what was left out."""
    skipped = {*(() if photos else PHOTOS), *(() if corrections else ("corrections",))}
    file.touch(mode=0o600)
    with ExitStack() as stack:
        scratch = stack.enter_context(TemporaryDirectory(prefix=".loupe-backup-", dir=file.parent))
        for top in HIDDEN.keys() - skipped:
            # Nothing changes on a disk that can't be written.
            if os.access(data / top, os.W_OK):
                stack.enter_context(lock_folders(data / top))
        sources, left_out = _find_sources(data, Path(scratch), skipped)
        count = None
        database = _find_database() if corrections else None
        if database and database.is_file():
            sources[CORRECTIONS_FILE] = database
        elif corrections and not database:
            left_out.append("corrections, which are in PostgreSQL: save them with pg_dump")
        if len(sources) > MAX_FILES:
            raise DataError(
                f"{data} has {len(sources):,} files; a backup holds up to {MAX_FILES:,}. Leave "
                "photos out with --without photos."
            )
        if not sources:
            raise DataError(f"There is nothing to save in {data}.")
        needed_bytes = sum(path.stat().st_size for path in sources.values() if path.exists())
        if database and CORRECTIONS_FILE in sources:
            # The snapshot of the database takes as much again.
            needed_bytes += database.stat().st_size
        require_space(file.parent, needed_bytes + len(sources) * MAX_ENTRY_BYTES)
        if CORRECTIONS_FILE in sources:
            sources[CORRECTIONS_FILE] = Path(scratch, CORRECTIONS_FILE)
            count = _copy_corrections(sources[CORRECTIONS_FILE])
        with zipfile.ZipFile(file, "w", strict_timestamps=False) as zipped:
            contents = Contents(
                format=2,
                made=datetime.now(UTC).replace(microsecond=0),
                versions={"python": platform.python_version(), "sqlite": sqlite3.sqlite_version},
                corrections=count,
                files=tuple(_add_files(zipped, sources, left_out)),
            )
            json = TypeAdapter(Contents).dump_json(contents, indent=1, exclude_defaults=True)
            zipped.writestr(CONTENTS, json)
    return left_out


def _find_database() -> Path | None:
    """Return the path of the SQLite database, or None with PostgreSQL."""
    # Imported on first use: SQLAlchemy takes 20 MB.
    from .corrections import parse_url

    url = parse_url(settings().database_url)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def _copy_corrections(target: Path) -> int:
    """Copy a consistent snapshot of the database; return the number of corrections."""
    from .corrections import CorrectionStore

    with closing(CorrectionStore(settings().database_url)) as store:
        return store.copy_to(target)


def _find_sources(
    data: Path, scratch: Path, skipped: Collection[str]
) -> tuple[dict[str, Path], list[str]]:
    """Return the file to save for each path in the data folder, and the paths left out."""
    sources, left_out = dict[str, Path](), list[str]()
    # Copied before versions are listed, so that the version that each names is listed as well.
    current = {
        path: Path(shutil.copy2(path, scratch / str(number)))
        for number, path in enumerate(data.glob(f"models/[!.]*/{CURRENT_FILE}"))
    }
    for top in _list_visible(data):
        if top.name in skipped or top.name.startswith(CORRECTIONS_FILE):
            continue
        for path in _walk(top) if top.name in FOLDERS else [top]:
            name = printable(path.relative_to(data))
            if CACHE.match(name):
                continue
            is_file = path.is_file() and not path.is_symlink()
            if is_file and name not in sources and is_allowed(name, is_renamed=True):
                sources[name] = current.get(path, path)
            else:
                left_out.append(name)
    return sources, left_out


def _list_visible(folder: Path) -> list[Path]:
    """Return what is in a folder, without what is hidden because it is temporary or abandoned."""
    if not folder.is_dir():
        return []
    paths = sorted(folder.iterdir())
    return [path for path in paths if path.name[0] != "." or path.name in HIDDEN.values()]


def _walk(top: Path) -> Iterator[Path]:
    """Yield all files and links below a path, or the path itself if it is one."""
    if top.is_symlink() or not top.is_dir():
        yield top
    else:
        for path in _list_visible(top):
            yield from _walk(path)


def _add_files(
    zipped: zipfile.ZipFile, sources: dict[str, Path], left_out: list[str]
) -> Iterator[Entry]:
    """Copy files into the zip and yield their entries; note those that have been deleted."""
    safe = {path for path in sources if zips.is_portable_path(path)}
    safe -= {*zips.find_clashes(path for path in sources if path in safe)}
    for number, path in enumerate([*sources]):
        try:
            # Popped, because 200,000 paths and their entries take 100 MB each.
            source = sources.pop(path)
            yield _add(zipped, path, source, "" if path in safe else f"renamed/{number}")
        except FileNotFoundError:
            left_out.append(f"{path}, which was deleted meanwhile")


def _add(zipped: zipfile.ZipFile, path: str, source: Path, stored_as: str) -> Entry:
    """Copy a file into the zip, read it back and return its entry."""
    modified, member = max(0, int(source.stat().st_mtime)), stored_as or path
    zipped.write(source, member)
    size, sha256 = zipped.getinfo(member).file_size, hash_member(zipped, member)
    return Entry(path=path, bytes=size, sha256=sha256, modified=modified, stored_as=stored_as)


def restore(file: Path, folder: Path, *, corrections: bool = True) -> Contents:
    """Unpack a backup into a new or empty folder, once every file matches its hash.

    Raises:
        ArchiveError: the file is no backup, damaged, hostile, or of another format.
        DataError: the folder isn't empty, or its disk has too little space.
        OSError: something can't be read or written.
    """
    with open_backup(file) as (zipped, contents), translate_disk_errors(folder):
        if not corrections:
            left_out = (CORRECTIONS_FILE, "corrections/")
            files = tuple(one for one in contents.files if not one.path.startswith(left_out))
            contents = contents.model_copy(update={"files": files, "corrections": None})
        # A new volume has a folder "lost+found".
        if any(path.name != "lost+found" for path in _list_visible(folder)):
            raise DataError(
                f"{folder} isn't empty, and nothing in it is overwritten. Restore into a new "
                "folder with --to, then set LOUPE_DATA to it."
            )
        require_space(folder, sum(entry.bytes for entry in contents.files))
        for entry in contents.files:
            if hash_member(zipped, entry.member) != entry.sha256:
                raise ArchiveError(
                    f"{entry.path!r} in this backup is damaged. Copy the file again."
                )
        _unpack(zipped, contents, folder)
        return contents


def _unpack(zipped: zipfile.ZipFile, contents: Contents, folder: Path) -> None:
    """Unpack files that only their owner can read, and move them into place at the end."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for abandoned in folder.glob(f"{RESTORE_PREFIX}*"):
        shutil.rmtree(abandoned)
    with TemporaryDirectory(prefix=RESTORE_PREFIX, dir=folder) as name:
        scratch = Path(name)
        folders = {"": scratch}
        for entry in contents.files:
            parent, _, name = entry.path.rpartition("/")
            path = free_path(_make_folder(parent, folders), name)
            with zipped.open(entry.member) as member, path.open("xb") as target:
                shutil.copyfileobj(member, target)
            path.chmod(0o600)
            os.utime(path, (entry.modified, entry.modified))
        for path in scratch.iterdir():
            path.rename(folder / path.name)


def _make_folder(path: str, folders: dict[str, Path]) -> Path:
    """Return the folder of a path, made and added to ``folders`` if it is not among them.

    A disk that ignores case gives the second of two such folders a number.
    """
    if path not in folders:
        parent, _, name = path.rpartition("/")
        folders[path] = free_path(_make_folder(parent, folders), name)
        folders[path].mkdir()
    return folders[path]
