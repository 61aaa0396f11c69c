"""Photos in folders and zips, recognised by name or content, and parallel work on many.

A zip is never unpacked to disk: names are for display only, and photos are read one at
a time, up to a limit, regardless of the size that the zip states.
"""

import os
import zipfile
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeVar

from ..errors import ArchiveError, DamagedPhoto, PhotoTooLarge, UnsupportedFormat
from ..photo import FORMAT_NAMES, MAX_BYTES
from ..photo.formats import SIGNATURE_BYTES, SUFFIXES, detect_format
from ..settings import settings
from ..text import clean
from . import zips

MAX_TOTAL_BYTES = 2**30
"""Most bytes that the members of a zip may state in total, unless the caller sets another limit."""

MAX_RATIO = 100
"""Highest compression ratio of a zip of photos, which hardly shrink."""

MIN_RATIO_BYTES = 10 * 2**20
"""Bytes up to which the ratio is ignored: a plain drawing shrinks a lot."""

MAX_ENTRY_BYTES = 300
"""Most bytes of a zip's directory for each entry, on average."""

MAX_NAME_CHARS = 200
"""Most characters of a name that are shown."""

UTF8_FLAG = 0x800

T = TypeVar("T")
R = TypeVar("R")


def list_photos(folder: Path, *, follow_links: bool = True) -> list[Path]:
    """Return the photos in a folder and its subfolders, sorted by name, without hidden ones.

    If a file's suffix isn't that of a photo, its first bytes decide. Symbolic links to folders are
    never followed; links to files are followed only with ``follow_links``.
    """
    paths = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths += [
            path
            for path in (Path(parent, name) for name in sorted(names) if not name.startswith("."))
            if (follow_links or not path.is_symlink())
            and is_photo(path.name, partial(_read_signature, path))
        ]
    return paths


def is_photo(name: str, read_signature: Callable[[], bytes]) -> bool:
    """Return whether a file is a photo, by its suffix or else by its content.

    ``read_signature`` returns its first ``SIGNATURE_BYTES`` bytes.
    """
    suffix = Path(name).suffix.lower()
    if suffix in SUFFIXES:
        return True
    detected = detect_format(read_signature())
    # Cameras' raw files are TIFFs that hold a thumbnail; only their suffix tells them apart.
    return detected is not None and not (detected == "TIFF" and suffix)


def _read_signature(path: Path) -> bytes:
    """Return a file's first bytes, empty if it cannot be read or is no regular file."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(SIGNATURE_BYTES)
    except OSError:
        return b""


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A photo of an upload; ``read`` returns its bytes or raises ``PhotoError``.

    ``name`` and ``folder``, the name of its folder if it has one, are safe to display. Neither is
    a path: parts that lead out of a folder are removed.
    """

    name: str
    folder: str | None
    read: Callable[[], bytes] = field(repr=False, compare=False)


def open_photos(
    data: bytes | BinaryIO, limit: int, max_bytes: int = MAX_TOTAL_BYTES
) -> list[PhotoFile]:
    """Return the photos in a zip, in its order; their bytes are read later, one by one.

    Folders, hidden files, files that macOS adds and files other than photos are left out. A zip
    inside the zip counts as a photo that cannot be read, so that the visitor learns of it.

    Args:
        data: the zip's bytes, or an open file that stays open while photos are read.
        max_bytes: the most bytes that all members may state in total.

    Raises:
        ArchiveError: damaged, protected by a password, without photos, or made to
            exhaust the machine: too many members, too large, too highly compressed,
            or with members that overlap.
    """
    zipped = _open_zip(BytesIO(data) if isinstance(data, bytes) else data, limit, max_bytes)
    members = [
        (parts, info)
        for info in zipped.infolist()
        # info.is_dir() fails on a name that begins with a zero byte.
        if not info.orig_filename.endswith("/")
        and (parts := displayed_parts(_decode_name(info)))
        and (_is_zip(parts[-1]) or is_photo(parts[-1], partial(_member_signature, zipped, info)))
    ]
    if len(members) > limit:
        raise _too_many_files(limit)
    if any(zips.is_encrypted(info) for _, info in members):
        raise ArchiveError("This zip is protected by a password. Send one without a password.")
    if all(_is_zip(parts[-1]) for parts, _ in members):
        raise ArchiveError(
            "This zip contains another zip and no photos. Unpack it and send the one inside."
            if members
            else f"This zip contains no photos. Supported files: {FORMAT_NAMES}."
        )
    return [
        PhotoFile(
            _shorten("/".join(parts)),
            _shorten(parts[-2]) if parts[1:] else None,
            partial(_read_member, zipped, info, is_zip=_is_zip(parts[-1])),
        )
        for parts, info in members
    ]


def _open_zip(file: BinaryIO, limit: int, max_bytes: int) -> zipfile.ZipFile:
    # Besides photos there may be folders, hidden files and files that macOS adds.
    entries = 10 * limit + 100
    try:
        zipped = zips.open_zip(
            file, max_entries=entries, max_directory_bytes=entries * MAX_ENTRY_BYTES, strict=False
        )
        _check_sizes(zipped.infolist(), max_bytes)
        zips.check_overlap(zipped)
    except zips.TooManyEntries:
        raise _too_many_files(limit) from None
    except zips.MembersOverlap:
        raise ArchiveError(
            "Files inside this zip overlap, which no normal zip tool does. Zip the photos again "
            "and resend it."
        ) from None
    except zips.ZipDamaged:
        raise ArchiveError(
            "This zip is damaged or incomplete. Zip the photos again and resend it."
        ) from None
    return zipped


def _check_sizes(infos: Sequence[zipfile.ZipInfo], max_bytes: int) -> None:
    total = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    if total > max_bytes:
        raise ArchiveError(
            f"This zip holds {total / 2**30:,.1f} GB; the limit is "
            f"{max_bytes / 2**30:.0f} GB. Send fewer photos at a time."
        )
    if total > MIN_RATIO_BYTES and total > MAX_RATIO * packed:
        raise ArchiveError(
            "This zip claims to unpack to over 100 times its size, which photos never do. Zip "
            "the photos again and resend it."
        )


def _read_member(zipped: zipfile.ZipFile, info: zipfile.ZipInfo, *, is_zip: bool) -> bytes:
    """Return the bytes of a photo; safe to call from several threads."""
    if is_zip:
        raise UnsupportedFormat("A zip inside a zip isn't opened. Unpack it and send its photos.")
    try:
        return zips.read_member(zipped, info, MAX_BYTES)
    except zips.MemberTooLarge:
        raise PhotoTooLarge("This photo is larger than 20 MB. Send a smaller version.") from None
    except zips.UnsupportedMember:
        raise UnsupportedFormat(
            "This photo uses an unsupported zip compression. Zip the photos again with default "
            "settings."
        ) from None
    except zips.ZipDamaged:
        raise DamagedPhoto(
            "This photo is damaged inside the zip. Zip the photos again and resend it."
        ) from None


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


def _member_signature(zipped: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return the first bytes of a member, empty if it cannot be read."""
    # With other compressions a few bytes can unpack to any size.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return b""
    try:
        with zips.translate_zip_errors(), zipped.open(info) as member:
            return member.read(SIGNATURE_BYTES)
    except zips.ZipDamaged:
        return b""


def displayed_parts(path: str) -> tuple[str, ...]:
    """Return the displayed parts of a file's path, empty for hidden files such as macOS adds."""
    parts = (clean(part, keep_spaces=True) for part in path.split("/"))
    shown = tuple(part for part in parts if part not in ("", ".", ".."))
    is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in shown)
    return () if is_hidden else shown


def _decode_name(info: zipfile.ZipInfo) -> str:
    name = info.orig_filename
    if not info.flag_bits & UTF8_FLAG:
        # macOS writes UTF-8 without saying so.
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_NAME_CHARS else "…" + text[-MAX_NAME_CHARS:]


def _too_many_files(limit: int) -> ArchiveError:
    return ArchiveError(
        f"This zip has too many files: at most {limit:,} photos are read at a time. Send fewer."
    )


def printable(path: Path) -> str:
    """Return a path with forward slashes that can be printed even if its name isn't UTF-8."""
    return path.as_posix().encode("utf-8", "backslashreplace").decode()


def map_ordered(
    work: Callable[[T], R], items: Iterable[T], threads: int | None = None
) -> Generator[R, None, None]:
    """Yield the results of ``work`` on ``items``, run on all cores, in the order of the items.

    A few items per core are in progress at a time, so memory stays small however many there
    are, and closing the iterator cancels the rest.
    """
    threads = threads or settings().threads
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="photos") as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > threads * 4:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
