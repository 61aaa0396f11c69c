"""Untrusted zips, opened and read with the checks that ``zipfile`` lacks.

``zipfile`` builds an object for every entry before anything can be checked, accepts
sizes that contradict each other, and unpacks without a limit. All zips (of photos,
fastai exports and backups) are read through this module. Tables in zips and downloads
are CSV files without formulas.
"""

import copy
import io
import os
import struct
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import BinaryIO

from defusedcsv import csv
from pathvalidate import is_valid_filename

MAX_GAP_BYTES = 24
"""Most bytes after a member: a data descriptor repeats sizes not known in advance."""

MAX_COMMENT_BYTES = 2**16
"""Bytes at a zip's end that may hold its comment."""

MAX_PATH_BYTES = 500
"""Longest portable path in UTF-8, in bytes."""

END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR64 = struct.Struct("<4sLQL")
LOCAL_HEADER = struct.Struct("<4s5H3L2H")

END_SIGNATURE, END64_SIGNATURE, LOCATOR64_SIGNATURE = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
LOCAL_SIGNATURE = b"PK\x03\x04"

_ENCRYPTED = 0x1


class ZipDamaged(ValueError):
    """A zip that is damaged, incomplete or inconsistent."""


class ZipIncomplete(ZipDamaged):
    """A zip whose end is missing: cut short, or not a zip."""


class TooManyEntries(ZipDamaged):
    """A zip with more entries than allowed; ``entries`` is their stated number."""

    def __init__(self, entries: int) -> None:
        super().__init__(f"{entries} entries")
        self.entries = entries


class MembersOverlap(ZipDamaged):
    """Members that share bytes, with which a small zip can unpack to petabytes."""


class UnsupportedMember(ZipDamaged):
    """A member that is encrypted, or compressed by a method other than Deflate."""


class MemberTooLarge(ZipDamaged):
    """A member larger than allowed, as stated in the zip or as read."""


@contextmanager
def translate_zip_errors() -> Iterator[None]:
    """Translate any exception of ``zipfile``, which raises almost any type, into ``ZipDamaged``."""
    try:
        yield
    except ZipDamaged:
        raise
    except Exception as error:
        raise ZipDamaged(str(error)) from error


def open_zip(
    file: BinaryIO, *, max_entries: int, max_directory_bytes: int, strict: bool = True
) -> zipfile.ZipFile:
    """Open a zip after checking that its directory is small enough to be read.

    Args:
        file: stays open while members are read.
        max_directory_bytes: largest size of the central directory, which is read into memory.
        strict: reject a comment or other bytes after the directory. Some tools write them,
            but they mislead programs that search for the directory from the start.

    Raises:
        TooManyEntries: there are more entries, or the directory is larger.
        ZipIncomplete: the file is no zip, or its end is missing.
        ZipDamaged: the zip is inconsistent.
    """
    with translate_zip_errors():
        size = file.seek(0, os.SEEK_END)
        entries, directory_bytes = _read_end(file, size, strict)
        if directory_bytes > size:
            raise ZipDamaged("a directory larger than the file")
        if entries > max_entries or directory_bytes > max_directory_bytes:
            raise TooManyEntries(entries)
        file.seek(0)
        zipped = zipfile.ZipFile(file)
    # The stated number may be wrong; the directory's size has limited the objects built so far.
    if len(zipped.infolist()) > max_entries:
        raise TooManyEntries(len(zipped.infolist()))
    return zipped


def _read_end(file: BinaryIO, size: int, strict: bool) -> tuple[int, int]:
    """Return the number of entries and the bytes of the directory, as the zip's end states."""
    tail_size = END64.size + LOCATOR64.size + END.size + (0 if strict else MAX_COMMENT_BYTES)
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
    # A large zip states both in a zip64 record, which zipfile accepts at any place.
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


def check_overlap(zipped: zipfile.ZipFile) -> None:
    """Reject members that share bytes.

    Raises:
        MembersOverlap: members share bytes, or one begins before the file does.
    """
    ordered = _by_offset(zipped)
    ends = [info.header_offset for info in ordered[1:]] + [zipped.start_dir]
    for info, limit in zip(ordered, ends, strict=False):
        end = info.header_offset + LOCAL_HEADER.size + info.compress_size
        if info.header_offset < 0 or end > limit:
            raise MembersOverlap(info.filename)


def check_layout(file: BinaryIO, zipped: zipfile.ZipFile) -> None:
    """Reject a zip that two programs could read differently.

    Some programs read the directory, others go from header to header. Members must
    follow each other, and each header must agree with the directory.

    Raises:
        ZipDamaged: there is a gap, or a header differs.
    """
    with translate_zip_errors():
        at = 0
        for info in _by_offset(zipped):
            file.seek(info.header_offset)
            header = file.read(LOCAL_HEADER.size)
            signature, _, flags, method, *_, name_size, extra_size = LOCAL_HEADER.unpack(header)
            name = file.read(name_size)
            names = [info.orig_filename.encode(codec, "replace") for codec in ("cp437", "utf-8")]
            expected = LOCAL_SIGNATURE, info.compress_type, info.flag_bits
            is_same = (signature, method, flags) == expected and name in names
            if not is_same or not 0 <= info.header_offset - at <= MAX_GAP_BYTES:
                raise ZipDamaged(info.filename)
            at = file.tell() + extra_size + info.compress_size
        if not 0 <= zipped.start_dir - at <= MAX_GAP_BYTES:
            raise ZipDamaged("bytes before the directory")


def _by_offset(zipped: zipfile.ZipFile) -> Sequence[zipfile.ZipInfo]:
    return sorted(zipped.infolist(), key=lambda info: info.header_offset)


def read_member(zipped: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytes:
    """Return the bytes of a member; safe to call from several threads.

    Raises:
        UnsupportedMember: encrypted, or neither stored nor deflated.
        MemberTooLarge: more than ``max_bytes``, as stated in the zip or as read.
        ZipDamaged: it does not unpack to the size that the zip states.
    """
    if is_encrypted(info) or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnsupportedMember(info.filename)
    if info.file_size > max_bytes:
        raise MemberTooLarge(info.filename)
    # zipfile stops at the stated size; a larger one reveals the actual size.
    unbounded = copy.copy(info)
    unbounded.file_size = max_bytes + 2
    with translate_zip_errors(), zipped.open(unbounded) as member:
        data = member.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise MemberTooLarge(info.filename)
    if len(data) != info.file_size:
        raise ZipDamaged(info.filename)
    return data


# Folders repeat, and a check takes 45 µs.
_is_valid_name = lru_cache(maxsize=1024)(partial(is_valid_filename, platform="universal"))


def is_portable_path(path: str) -> bool:
    """Return whether a path with forward slashes stays in its folder and is valid everywhere."""
    if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        return False
    parts = path.split("/")
    return (
        not any(unicodedata.category(char) in ("Cc", "Cs") for char in path)
        and not any(part.startswith(".") or part != part.strip() for part in parts)
        and all(map(_is_valid_name, parts))
    )


def disk_key(name: str) -> str:
    """Return a key that is equal for names that some disks treat as one (case, accents)."""
    return unicodedata.normalize("NFC", name.casefold())


def find_clashes(paths: Iterable[str]) -> Iterator[str]:
    """Yield the paths that some disk takes for an earlier path or its folder."""
    files: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        key = disk_key(path)
        parts = key.split("/")
        parents = {"/".join(parts[:count]) for count in range(1, len(parts))}
        if key in files or key in folders or parents & files:
            yield path
        else:
            files.add(key)
            folders |= parents


FORMULA_SIGNS = ("=", "+", "-", "@", "|", "%", "\t", "\r", "\n")


def escape_formula(text: str) -> str:
    """Return text with an apostrophe in front if a spreadsheet could take it for a formula.

    defusedcsv escapes the cells of a file; this covers what it misses (leading spaces, tabs, line
    breaks and full-width signs, all on OWASP's list) and also serves tables on the screen, which
    browsers save as CSV.
    """
    # NFKC turns full-width and small signs into plain ones, as some spreadsheets do.
    first = unicodedata.normalize("NFKC", text.lstrip(" ")[:1])
    return f"'{text}" if first.startswith(FORMULA_SIGNS) else text


def write_csv(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a CSV table with a header; texts are escaped, numbers are not."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(escape_formula(value) if isinstance(value, str) else value for value in row)
    return file.getvalue()
