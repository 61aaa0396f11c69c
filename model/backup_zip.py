"""The zip of a backup: its format, and how one that may be hostile is read.

``loupe-backup.json`` in it gives the format, the date, and size and SHA-256 of every file. Hashes
show damage, not forgery: restore only what you saved yourself.
"""

import hashlib
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, FailFast, Field, ValidationError
from pydantic.dataclasses import dataclass

from .answer.share_link import KEY_FILE
from .bundle import StrictModel
from .errors import ArchiveError
from .storage import zips

CONTENTS = "loupe-backup.json"
CORRECTIONS_FILE = "records.sqlite"
FILES = (CORRECTIONS_FILE, KEY_FILE)
PHOTOS = ("photos", "held-out", "corrections")
FOLDERS = ("models", "runs", "training", *PHOTOS)
"""Folders that a backup may contain, in addition to ``FILES``."""

HIDDEN = {"photos": ".changes", "held-out": ".comparisons"}
"""Hidden folders to save: the owner's label changes, and the record of compared versions."""

MAX_FILES = 200_000
"""Most files in a backup. Saving or restoring that many takes up to 400 MB of memory."""

MAX_NAME_BYTES = 1000
"""Longest path below the data folder, in bytes of UTF-8."""

MAX_ENTRY_BYTES, MAX_ENTRY_VALUES = MAX_NAME_BYTES + 200, 10
"""Most bytes and JSON values per file in ``loupe-backup.json``, on average."""

MAX_DIRECTORY_BYTES = MAX_FILES * 300
"""Most bytes of the zip's directory, which is read into memory."""

JSON_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


# Slots save 85 MB with 200,000 files.
@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Entry:
    """A file: its path with forward slashes, and its modification time in Unix seconds.

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
    # FailFast stops at the first error: a list of a million would take 400 MB.
    files: Annotated[tuple[Entry, ...], FailFast()]

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models."""
        paths = (entry.path.split("/") for entry in self.files)
        return tuple(sorted({parts[1] for parts in paths if parts[0] == "models"}))


@contextmanager
def open_backup(path: Path) -> Iterator[tuple[zipfile.ZipFile, Contents]]:
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
        # Once parsed, nested empty lists take a hundred times the size of their text.
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
        if not is_allowed(entry.path, is_renamed=bool(entry.stored_as)):
            raise ArchiveError(
                f"This backup names {entry.path[:100]!r}, which isn't a file of a data folder."
            )
    if duplicate := next(zips.find_clashes(entry.member for entry in contents.files), ""):
        raise ArchiveError(
            f"This backup lists {duplicate[:100]!r} twice, or as both a file and a folder."
        )
    if len({entry.path for entry in contents.files}) != len(contents.files):
        raise ArchiveError("This backup lists a file twice.")
    infos = zipped.infolist()
    listed = {(entry.member, entry.bytes) for entry in contents.files}
    stored = {(info.filename, info.file_size) for info in infos if info.filename != CONTENTS}
    if listed != stored or len(infos) != len(listed) + 1:
        raise ArchiveError(
            f"This backup doesn't hold the files that its {CONTENTS} lists. Copy the file again."
        )


def hash_member(zipped: zipfile.ZipFile, name: str) -> str:
    """Return the SHA-256 of a file in a backup.

    Raises:
        ArchiveError: it is damaged.
    """
    with _translate_damage(), zipped.open(name) as member:
        assert isinstance(member, zipfile.ZipExtFile)
        return hashlib.file_digest(member, "sha256").hexdigest()


def is_allowed(path: str, *, is_renamed: bool) -> bool:
    """Return whether a backup may contain a path of the data folder.

    Every disk must accept it, unless the file is renamed in the zip.
    """
    top, _, below = path.partition("/")
    if top not in (FOLDERS if below else FILES):
        return False
    visible = (part for part in path.split("/") if part != HIDDEN.get(top))
    is_inside = all(part and part[0] != "." for part in visible)
    is_short = len(path.encode()) <= MAX_NAME_BYTES
    return zips.is_portable_path(path) or (is_renamed and is_inside and is_short)
