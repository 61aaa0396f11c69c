"""A backup that somebody hands over: read with every check before anything is written."""

import hashlib
import json
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from ..errors import ArchiveError, DataError
from .contents import CONTENTS, FORMAT, MAX_FILES, Contents, Entry, clash, odd

__all__ = ["Archive", "opened"]

MAX_INDEX = 8 * 2**20
"""Bytes of the zip's directory and of ``loupe-backup.json``, which are read whole."""

CHUNK = 2**20
END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR64 = struct.Struct("<4sLQL")


@dataclass(frozen=True)
class Archive:
    """An opened backup whose structure is as it should be; its bytes are checked on reading."""

    contents: Contents
    _zip: zipfile.ZipFile

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.bytes for entry in self.contents.files)

    def verify(self) -> None:
        """Read every file and compare its hash; nothing is written.

        Raises:
            ArchiveError: one differs.
        """
        for entry in self.contents.files:
            self._read(entry, lambda _: None)

    def unpack(self, entry: Entry, path: Path) -> None:
        """Write a file that is not there yet, hashed again on the way, and wait for the disk.

        Raises:
            ArchiveError: it differs from what ``loupe-backup.json`` says.
        """
        with path.open("xb") as file:
            self._read(entry, file.write)
            file.flush()
            os.fsync(file.fileno())
        os.utime(path, (entry.modified, entry.modified))

    def _read(self, entry: Entry, take: Callable[[bytes], object]) -> None:
        digest = hashlib.sha256()
        with _worded(), self._zip.open(entry.path) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                # What the disk refuses is no fault of the file's.
                try:
                    take(chunk)
                except OSError as error:
                    raise DataError(f"{entry.path} cannot be written: {error.strerror}.") from error
        if digest.hexdigest() != entry.sha256:
            raise ArchiveError(f"{entry.path} in this backup is not as it was saved. {ADVICE}")


ADVICE = "Take another copy of the file."


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """A backup, its structure checked: names, sizes, kinds, format. No file is read yet.

    Raises:
        ArchiveError: it is no backup, damaged, hostile, or of another format.
        DataError: the file cannot be read.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        with _worded():
            _check_index(file)
            zipped = zipfile.ZipFile(file)
        with zipped:
            infos = zipped.infolist()
            _check_members(infos, os.fstat(file.fileno()).st_size)
            contents = _contents(zipped)
            _check_paths(infos, contents)
            yield Archive(contents, zipped)


@contextmanager
def _worded() -> Iterator[None]:
    """Whatever zipfile says of a damaged file, as one refusal."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        KeyError,
        NotImplementedError,
        OSError,
        OverflowError,
        RuntimeError,
        ValueError,
    ) as error:
        raise ArchiveError(f"This file is not a whole backup of Loupe. {ADVICE}") from error


def _check_index(file: BinaryIO) -> None:
    """Refuse a directory that would fill the memory, before zipfile reads it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - END64.size - LOCATOR64.size - END.size, 0))
    tail = file.read()
    end = tail[-END.size :]
    locator = tail[-END.size - LOCATOR64.size : -END.size]
    signature, *_, directory, _, comment = END.unpack(end)
    whole = signature == b"PK\x05\x06" and not comment
    if locator.startswith(b"PK\x06\x07"):
        # A large zip says it in a wider record, which zipfile believes wherever it stands.
        signature, *_, directory, _ = END64.unpack(tail[: END64.size])
        _, _, place, _ = LOCATOR64.unpack(locator)
        whole = whole and signature == b"PK\x06\x06" and place == size - len(tail)
    if not whole:
        raise ArchiveError(f"This file is not a whole backup of Loupe. {ADVICE}")
    if directory > MAX_INDEX:
        raise ArchiveError("This backup lists more files than Loupe writes.")
    file.seek(0)


def _check_members(infos: list[zipfile.ZipInfo], size: int) -> None:
    if len(infos) > MAX_FILES + 1:
        raise ArchiveError(f"This backup lists more than {MAX_FILES:,} files.")
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        # Not is_dir(), which until Python 3.12 fails at an empty name.
        if info.filename[-1:] in ("", "/") or kind not in (0, stat.S_IFREG):
            raise ArchiveError("This backup holds what is no file, as a link: Loupe writes none.")
        if info.flag_bits & 0x1 or info.compress_type != zipfile.ZIP_STORED:
            raise ArchiveError(
                "This backup was packed again with compression or a password. Take the file as "
                "Loupe wrote it."
            )
        if info.file_size != info.compress_size:
            raise ArchiveError("This backup says that it unpacks to more than it holds.")
    # Nothing is compressed: only members that overlap can hold more than the file.
    if sum(info.file_size for info in infos) > size:
        raise ArchiveError("This backup says that it unpacks to more than it holds.")


def _contents(zipped: zipfile.ZipFile) -> Contents:
    if CONTENTS not in zipped.namelist():
        raise ArchiveError(f"This file is not a backup of Loupe: it has no {CONTENTS}.")
    if zipped.getinfo(CONTENTS).file_size > MAX_INDEX:
        raise ArchiveError("This backup lists more files than Loupe writes.")
    with _worded():
        try:
            values = json.loads(zipped.read(CONTENTS))
        except RecursionError:
            values = None
    written = values.get("format") if isinstance(values, dict) else None
    if isinstance(written, int) and written != FORMAT:
        raise ArchiveError(
            f"This backup has format {written}, and this Loupe reads format {FORMAT}. "
            + ("Update Loupe." if written > FORMAT else "Restore it with the Loupe that wrote it.")
        )
    try:
        return Contents.model_validate(values)
    except ValidationError as error:
        where = ".".join(str(step) for step in error.errors()[0]["loc"]) or CONTENTS
        raise ArchiveError(
            f"{CONTENTS} in this backup is not as Loupe writes it: {where}."
        ) from None


def _check_paths(infos: list[zipfile.ZipInfo], contents: Contents) -> None:
    for entry in contents.files:
        if why := odd(entry.path):
            raise ArchiveError(f"This backup names {entry.path[:100]!r}: {why}.")
    if twice := clash(entry.path for entry in contents.files):
        raise ArchiveError(f"This backup names {twice[:100]!r} twice, or below a file.")
    listed = {entry.path: entry.bytes for entry in contents.files}
    held = {info.filename: info.file_size for info in infos if info.filename != CONTENTS}
    if listed != held or len(infos) != len(held) + 1:
        raise ArchiveError(f"This backup holds other files than its {CONTENTS} says. {ADVICE}")
