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
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, FailFast, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from .answer.share_link import KEY_FILE
from .bundle import CURRENT_FILE, StrictModel
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

CONTENTS = "loupe-backup.json"
CORRECTIONS_FILE = "records.sqlite"
FILES = (CORRECTIONS_FILE, KEY_FILE)
PHOTOS = ("photos", "held-out", "corrections")
FOLDERS = ("models", "runs", "training", *PHOTOS)
"""With ``FILES``, all that a backup may contain."""

HIDDEN = {"photos": ".changes", "held-out": ".comparisons"}
"""Hidden folders to save: the owner's label changes, and which versions were compared."""

REMADE = ("derived", "phone")
"""Folders that the app makes again: files for browsers, exports, the authority of `make phone`."""

CACHE = re.compile(r"training/[^/]+/(copies|features\.npz)(/|$)")
"""What an unfinished training run makes again from the photos when it is resumed."""

MAX_FILES = 200_000
"""Files in a backup. Saving or restoring so many takes 360 MB of memory."""

MAX_NAME_BYTES = 1000
"""Longest path in a data folder in UTF-8, in bytes."""

MAX_ENTRY_BYTES, MAX_ENTRY_VALUES = MAX_NAME_BYTES + 200, 10
"""Most bytes and values of ``loupe-backup.json`` for each file, on average."""

MAX_DIRECTORY_BYTES = MAX_FILES * 300
"""Most bytes of the zip's directory, which is read into memory."""

JSON_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)

RESTORE_PREFIX = ".loupe-restore-"


# Without slots, entries of 200,000 files take 85 MB more.
@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Entry:
    """A file: its path with forward slashes, and its time of change in Unix seconds.

    ``stored_as`` is its name in the zip if some disk doesn't take its path; format 1 lacks it.
    """

    path: Annotated[str, Field(max_length=MAX_NAME_BYTES)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    modified: Annotated[int, Field(ge=0, lt=2**40)]
    stored_as: Annotated[str, Field(pattern=r"^(renamed/[0-9]{1,6})?$")] = ""

    @property
    def member(self) -> str:
        """The file's name in the zip."""
        return self.stored_as or self.path


class Contents(StrictModel):
    """``loupe-backup.json``; ``corrections`` is their number, None if they were left out."""

    format: Literal[1, 2]
    made: AwareDatetime
    versions: dict[str, str]
    corrections: Annotated[int, Field(ge=0)] | None
    # Without FailFast, a list of a million errors takes 400 MB.
    files: Annotated[tuple[Entry, ...], FailFast()]

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models."""
        paths = (entry.path.split("/") for entry in self.files)
        return tuple(sorted({parts[1] for parts in paths if parts[0] == "models"}))


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
        left_out = _write_backup(temporary, data, corrections=corrections, photos=photos)
        # Checked as a restore would, before it replaces another.
        with _open_backup(temporary) as (_, contents):
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
        count, database = None, data / CORRECTIONS_FILE
        if corrections and (settings().database.get_secret_value() or database.is_file()):
            sources[CORRECTIONS_FILE] = database
        if len(sources) > MAX_FILES:
            raise DataError(
                f"{data} has {len(sources):,} files; a backup holds up to {MAX_FILES:,}. Leave "
                "photos out with --without photos."
            )
        needed_bytes = sum(path.stat().st_size for path in sources.values() if path.exists())
        # The database is copied before it is saved.
        needed_bytes += database.stat().st_size if CORRECTIONS_FILE in sources else 0
        require_space(file.parent, needed_bytes + len(sources) * MAX_ENTRY_BYTES)
        if CORRECTIONS_FILE in sources:
            sources[CORRECTIONS_FILE] = Path(scratch, CORRECTIONS_FILE)
            if (count := _copy_corrections(sources[CORRECTIONS_FILE])) is None:
                del sources[CORRECTIONS_FILE]
                left_out.append("corrections, which are in PostgreSQL: save them with pg_dump")
        if not sources:
            raise DataError(f"There is nothing to save in {data}.")
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


def _copy_corrections(target: Path) -> int | None:
    """Copy the corrections as of one moment; return their number, None if they aren't in SQLite."""
    # Imported on first use: SQLAlchemy takes 20 MB.
    from .corrections import CorrectionStore, parse_url

    url = settings().database_url
    if parse_url(url).get_backend_name() != "sqlite":
        return None
    with closing(CorrectionStore(url)) as store:
        return store.copy_to(target)


def _find_sources(
    data: Path, scratch: Path, skipped: Collection[str]
) -> tuple[dict[str, Path], list[str]]:
    """Return the files to save by their paths in the data folder, and what is left out."""
    sources, left_out = dict[str, Path](), list[str]()
    # Copied before versions are listed, so that the version it names is among them.
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
            if is_file and name not in sources and _is_allowed(name, is_renamed=True):
                sources[name] = current.get(path, path)
            else:
                left_out.append(name)
    return sources, left_out


def _is_allowed(path: str, *, is_renamed: bool) -> bool:
    """Return whether a path may be in a backup: part of a data folder and, stored as it is, safe.

    A renamed one may have any name, which the disk of a restore may refuse.
    """
    top, _, below = path.partition("/")
    if top not in (FOLDERS if below else FILES):
        return False
    visible = (part for part in path.split("/") if part != HIDDEN.get(top))
    is_inside = all(part and part[0] != "." for part in visible)
    is_short = len(path.encode()) <= MAX_NAME_BYTES
    return zips.is_portable_path(path) or (is_renamed and is_inside and is_short)


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
    size, sha256 = zipped.getinfo(member).file_size, _hash_member(zipped, member)
    return Entry(path=path, bytes=size, sha256=sha256, modified=modified, stored_as=stored_as)


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
            if _hash_member(zipped, entry.member) != entry.sha256:
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
                file, max_entries=MAX_FILES + 1, max_directory_bytes=MAX_DIRECTORY_BYTES
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
    count = len(zipped.infolist())
    with _translate_damage():
        data = zips.read_member(zipped, zipped.getinfo(CONTENTS), count * MAX_ENTRY_BYTES)
        # Parsed, a list of empty lists takes a hundred times its size.
        quoted = sum(match[0].count(b",") for match in JSON_STRING.finditer(data))
        if data.count(b",") - quoted > count * MAX_ENTRY_VALUES:
            raise zips.ZipDamaged(CONTENTS)
    try:
        return Contents.model_validate_json(data)
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"])) or "no JSON"
        raise ArchiveError(
            f"{CONTENTS} in this backup can't be used: {field}. A newer Loupe may have written it."
        ) from None


def _check_members(zipped: zipfile.ZipFile, contents: Contents) -> None:
    """Check that the zip holds the listed files and no others."""
    for entry in contents.files:
        if not _is_allowed(entry.path, is_renamed=bool(entry.stored_as)):
            raise ArchiveError(
                f"This backup names {entry.path[:100]!r}, which isn't a file of a data folder."
            )
    if duplicate := next(zips.find_clashes(entry.member for entry in contents.files), ""):
        raise ArchiveError(f"This backup names {duplicate[:100]!r} twice, or below a file.")
    if len({entry.path for entry in contents.files}) != len(contents.files):
        raise ArchiveError("This backup names a file twice.")
    infos = zipped.infolist()
    listed = {(entry.member, entry.bytes) for entry in contents.files}
    stored = {(info.filename, info.file_size) for info in infos if info.filename != CONTENTS}
    if listed != stored or len(infos) != len(listed) + 1:
        raise ArchiveError(
            f"This backup doesn't hold the files that its {CONTENTS} lists. Copy the file again."
        )
