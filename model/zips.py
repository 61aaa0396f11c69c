"""Zips from other people, opened and read with the checks that ``zipfile`` lacks.

``zipfile`` builds an object for every entry before anything can be checked, believes
sizes that contradict each other, and unpacks as much as there is. Photos, fastai
exports and backups come in zips, and all three are read through this module.
"""

import copy
import os
import struct
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from pathvalidate import is_valid_filename

__all__ = [
    "MemberTooLarge",
    "MembersOverlap",
    "TooManyEntries",
    "UnsupportedMember",
    "ZipDamaged",
    "ZipIncomplete",
    "check_layout",
    "check_overlap",
    "find_clash",
    "is_encrypted",
    "is_portable_path",
    "open_zip",
    "read_member",
    "translate_zip_errors",
]

MAX_GAP = 24
"""Bytes after a member: its sizes once more, where they were not known before."""

MAX_COMMENT = 2**16
"""Bytes of a comment at a zip's end, and one more."""

MAX_PATH_BYTES = 500
"""Bytes of a portable path in UTF-8."""

END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR64 = struct.Struct("<4sLQL")
LOCAL_HEADER = struct.Struct("<4s5H3L2H")

END_SIGNATURE, END64_SIGNATURE, LOCATOR64_SIGNATURE = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
LOCAL_SIGNATURE = b"PK\x03\x04"

_ENCRYPTED = 0x1


class ZipDamaged(ValueError):
    """A zip that is damaged, incomplete or contradicts itself."""


class ZipIncomplete(ZipDamaged):
    """A zip whose end is missing: cut short, or no zip at all."""


class TooManyEntries(ZipDamaged):
    """A zip with more entries than were allowed; ``entries`` is how many it states."""

    def __init__(self, entries: int) -> None:
        super().__init__(f"{entries} entries")
        self.entries = entries


class MembersOverlap(ZipDamaged):
    """Members that share bytes: so a small zip unpacks to petabytes."""


class UnsupportedMember(ZipDamaged):
    """A member that is encrypted, or compressed by something else than Deflate."""


class MemberTooLarge(ZipDamaged):
    """A member larger than was allowed, by what the zip says or in truth."""


@contextmanager
def translate_zip_errors() -> Iterator[None]:
    """Turn whatever ``zipfile`` raises into ``ZipDamaged``; it raises nearly anything."""
    try:
        yield
    except ZipDamaged:
        raise
    except Exception as error:
        raise ZipDamaged(str(error)) from error


def open_zip(
    file: BinaryIO, *, max_entries: int, max_directory_bytes: int, strict: bool = True
) -> zipfile.ZipFile:
    """Open a zip, once its directory is known to be small enough to be read.

    Args:
        file: stays open while members are read.
        max_entries: how many members there may be.
        max_directory_bytes: size of the central directory, which is read at once.
        strict: refuse a comment or other bytes behind the directory. Some tools write
            them; programs that look for the directory from the start are misled by them.

    Raises:
        TooManyEntries: there are more.
        ZipIncomplete: it is no zip, or its end is missing.
        ZipDamaged: it contradicts itself.
    """
    with translate_zip_errors():
        size = file.seek(0, os.SEEK_END)
        entries, directory_bytes = _read_end(file, size, strict)
        if directory_bytes > size:
            raise ZipDamaged("a directory larger than the file")
        if entries > max_entries or directory_bytes > max_directory_bytes:
            raise TooManyEntries(entries)
        file.seek(0)
        opened = zipfile.ZipFile(file)
    # The number at the end may be a lie; the size bounds what was built for the entries.
    if len(opened.infolist()) > max_entries:
        raise TooManyEntries(len(opened.infolist()))
    return opened


def _read_end(file: BinaryIO, size: int, strict: bool) -> tuple[int, int]:
    """Return the number of entries and the bytes of the directory, as the zip's end states."""
    tail_size = END64.size + LOCATOR64.size + END.size + (0 if strict else MAX_COMMENT)
    file.seek(max(size - tail_size, 0))
    tail = file.read()
    at = len(tail) - END.size
    if not strict and not (tail[at:].startswith(END_SIGNATURE) and tail.endswith(b"\0\0")):
        at = tail.rfind(END_SIGNATURE)
    if at < 0:
        raise ZipIncomplete("no end of central directory")
    signature, *_, entries, directory_bytes, _, comment = END.unpack_from(tail, at)
    if signature != END_SIGNATURE:
        raise ZipIncomplete("no end of central directory")
    if strict and comment:
        raise ZipDamaged("a comment")
    locator = tail[max(at - LOCATOR64.size, 0) : at]
    if not locator.startswith(LOCATOR64_SIGNATURE):
        return entries, directory_bytes
    # A large zip says it in a wider record, which zipfile believes wherever it is.
    _, _, place, _ = LOCATOR64.unpack(locator)
    at -= LOCATOR64.size + END64.size
    if at < 0:
        raise ZipDamaged("no zip64 end of central directory")
    signature, *_, entries, directory_bytes, _ = END64.unpack_from(tail, at)
    if signature != END64_SIGNATURE or (strict and place != size - len(tail) + at):
        raise ZipDamaged("no zip64 end of central directory")
    return entries, directory_bytes


def is_encrypted(info: zipfile.ZipInfo) -> bool:
    """Return whether a member is protected by a password."""
    return bool(info.flag_bits & _ENCRYPTED)


def check_overlap(opened: zipfile.ZipFile) -> None:
    """Refuse members that share bytes.

    Raises:
        MembersOverlap: some do, or lie before the start.
    """
    ordered = _by_offset(opened)
    ends = [info.header_offset for info in ordered[1:]] + [opened.start_dir]
    for info, limit in zip(ordered, ends, strict=False):
        end = info.header_offset + LOCAL_HEADER.size + info.compress_size
        if info.header_offset < 0 or end > limit:
            raise MembersOverlap(info.filename)


def check_layout(file: BinaryIO, opened: zipfile.ZipFile) -> None:
    """Refuse a zip in which two programs could see two different files.

    Some go by the directory, others from header to header. Members must lie one behind
    the other, and each must be called at its place as in the directory.

    Raises:
        ZipDamaged: they do not.
    """
    with translate_zip_errors():
        at = 0
        for info in _by_offset(opened):
            file.seek(info.header_offset)
            header = file.read(LOCAL_HEADER.size)
            signature, _, flags, method, *_, name_size, extra_size = LOCAL_HEADER.unpack(header)
            name = file.read(name_size)
            names = [info.orig_filename.encode(codec, "replace") for codec in ("cp437", "utf-8")]
            same = (signature, method, flags) == (
                *(LOCAL_SIGNATURE, info.compress_type, info.flag_bits),
            )
            if not same or name not in names or not 0 <= info.header_offset - at <= MAX_GAP:
                raise ZipDamaged(info.filename)
            at = file.tell() + extra_size + info.compress_size
        if not 0 <= opened.start_dir - at <= MAX_GAP:
            raise ZipDamaged("bytes before the directory")


def _by_offset(opened: zipfile.ZipFile) -> Sequence[zipfile.ZipInfo]:
    return sorted(opened.infolist(), key=lambda info: info.header_offset)


def read_member(opened: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytes:
    """Return the bytes of a member; safe to call from several threads at once.

    Raises:
        UnsupportedMember: encrypted, or neither stored nor deflated.
        MemberTooLarge: more than ``max_bytes``, by what the zip says or in truth.
        ZipDamaged: it does not unpack to what the zip says.
    """
    if is_encrypted(info) or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnsupportedMember(info.filename)
    if info.file_size > max_bytes:
        raise MemberTooLarge(info.filename)
    # zipfile stops at the size that the directory states; this finds the true one.
    unbounded = copy.copy(info)
    unbounded.file_size = max_bytes + 2
    with translate_zip_errors(), opened.open(unbounded) as member:
        data = member.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise MemberTooLarge(info.filename)
    if len(data) != info.file_size:
        raise ZipDamaged(info.filename)
    return data


def is_portable_path(path: str) -> bool:
    """Return whether a path with forward slashes stays in its folder and suits every system."""
    parts = path.split("/")
    return (
        len(path.encode("utf-8", "surrogatepass")) <= MAX_PATH_BYTES
        and not any(unicodedata.category(char) in ("Cc", "Cs") for char in path)
        and not any(part.startswith(".") or part != part.strip() for part in parts)
        and all(is_valid_filename(part, platform="universal") for part in parts)
    )


def find_clash(paths: Iterable[str]) -> str | None:
    """Return a path that is another's, or another's folder, on some disk; None without one."""
    files: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        # The same file on a disk that ignores case or composes accents.
        key = unicodedata.normalize("NFKD", path).casefold()
        parts = key.split("/")
        parents = {"/".join(parts[:count]) for count in range(1, len(parts))}
        if key in files or key in folders or parents & files:
            return path
        files.add(key)
        folders |= parents
    return None
