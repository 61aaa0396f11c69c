"""Photos in folders and in zips, found by name or content, and work on many at once.

A zip is never unpacked to a disk: names are for display, and a photo's bytes are read
one at a time, up to a limit, whatever the zip says of them.
"""

import os
import unicodedata
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeVar

from . import zips
from .errors import ArchiveError, DamagedPhoto, PhotoTooLarge, UnsupportedFormat
from .photo import FORMAT_NAMES, MAX_BYTES
from .photo.formats import SIGNATURE_SIZE, SUFFIXES, detect_format
from .settings import settings

__all__ = [
    "SUFFIXES",
    "ZipPhoto",
    "is_photo",
    "list_photos",
    "map_ordered",
    "open_photos",
    "printable",
]

MAX_TOTAL = 2**30
"""Bytes that all members of a zip together may say that they hold."""

MAX_RATIO = 100
"""How many times smaller a zip of photos may be than the photos: they hardly shrink."""

RATIO_FROM = 10 * 2**20
"""Bytes below which a ratio proves nothing: a plain drawing shrinks a lot."""

MAX_ENTRY_BYTES = 300
"""Bytes of a zip's directory for each entry, on average."""

MAX_NAME = 200
"""Characters of a name that are shown."""

UTF8_FLAG = 0x800

T = TypeVar("T")
R = TypeVar("R")


def list_photos(folder: Path) -> list[Path]:
    """Return the photos in a folder and its subfolders, sorted by name; none that are hidden.

    Of a file whose suffix does not say that it is a photo, the first bytes are read.
    """
    paths = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths += [
            path
            for path in (Path(parent, name) for name in sorted(names) if not name.startswith("."))
            if is_photo(path.name, partial(_read_signature, path))
        ]
    return paths


def is_photo(name: str, read_signature: Callable[[], bytes]) -> bool:
    """Return whether a file is a photo, by its suffix or else by its content.

    Args:
        name: the file's name.
        read_signature: returns the file's first ``SIGNATURE_SIZE`` bytes; called only
            where the suffix does not decide.
    """
    suffix = Path(name).suffix.lower()
    if suffix in SUFFIXES:
        return True
    detected = detect_format(read_signature())
    # Raw files of cameras are TIFFs that hold a thumbnail: their suffix says what they are.
    return detected is not None and not (detected == "TIFF" and suffix)


def _read_signature(path: Path) -> bytes:
    """Return a file's first bytes; none if it cannot be read or is no regular file."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(SIGNATURE_SIZE)
    except OSError:
        return b""


@dataclass(frozen=True, slots=True)
class ZipPhoto:
    """A photo in a zip.

    ``name`` is fit to be shown; ``label`` is the name of its folder, if it has one.
    Neither is a path: parts that lead out of a folder are gone.
    """

    name: str
    label: str | None
    _zip: zipfile.ZipFile = field(repr=False, compare=False)
    _info: zipfile.ZipInfo = field(repr=False, compare=False)

    def read(self) -> bytes:
        """Return the bytes of the photo; safe to call from several threads at once.

        Raises:
            PhotoTooLarge: more than 20 MB, by what the zip says or in truth.
            UnsupportedFormat: a zip in the zip, or compressed in a way that is not read.
            DamagedPhoto: it does not unpack to what the zip says.
        """
        if _is_zip(self.name):
            raise UnsupportedFormat(
                "A zip inside a zip isn't opened. Unpack it and send its photos."
            )
        try:
            return zips.read_member(self._zip, self._info, MAX_BYTES)
        except zips.MemberTooLarge:
            raise PhotoTooLarge(
                "This photo is larger than 20 MB. Send a smaller version."
            ) from None
        except zips.UnsupportedMember:
            raise UnsupportedFormat(
                "This photo uses an unsupported zip compression. Zip the photos again with "
                "default settings."
            ) from None
        except zips.ZipDamaged:
            raise DamagedPhoto(
                "This photo is damaged inside the zip. Zip the photos again and resend it."
            ) from None


def open_photos(data: bytes | BinaryIO, limit: int) -> list[ZipPhoto]:
    """Return the photos in a zip, in its order; their bytes are read later, one by one.

    Folders, hidden files, what macOS adds and all else that is no photo are left out.
    A zip in the zip counts as a photo that cannot be read, so that it is not overlooked.

    Args:
        data: the zip's bytes, or an open file that stays open while photos are read.
        limit: how many photos there may be.

    Raises:
        ArchiveError: damaged, protected by a password, without photos, or made to
            exhaust the machine: too many members, too large, absurdly compressed,
            or with members that overlap.
    """
    opened = _open_zip(BytesIO(data) if isinstance(data, bytes) else data, limit)
    members = [
        (parts, info)
        for info in opened.infolist()
        if (parts := _shown_parts(info)) and _counts(opened, info, parts[-1])
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
        ZipPhoto(
            _shorten("/".join(parts)), _shorten(parts[-2]) if parts[1:] else None, opened, info
        )
        for parts, info in members
    ]


def _open_zip(file: BinaryIO, limit: int) -> zipfile.ZipFile:
    # Beside photos there may be folders, hidden files and what macOS adds.
    entries = 10 * limit + 100
    try:
        opened = zips.open_zip(
            file,
            max_entries=entries,
            max_directory_bytes=entries * MAX_ENTRY_BYTES,
            strict=False,
        )
        _check_sizes(opened.infolist())
        zips.check_overlap(opened)
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
    return opened


def _check_sizes(infos: Sequence[zipfile.ZipInfo]) -> None:
    total = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    if total > MAX_TOTAL:
        raise ArchiveError(
            f"This zip holds {total / 2**30:,.1f} GB; the limit is {MAX_TOTAL / 2**30:.0f} GB. "
            "Send fewer photos at a time."
        )
    if total > RATIO_FROM and total > MAX_RATIO * packed:
        raise ArchiveError(
            "This zip claims to unpack to over 100 times its size, which photos never do. Zip "
            "the photos again and resend it."
        )


def _counts(opened: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> bool:
    return _is_zip(name) or is_photo(name, partial(_member_signature, opened, info))


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


def _member_signature(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return the first bytes of a member; none if it cannot be read."""
    # Other compressions have no bound on what a few bytes unpack to.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return b""
    try:
        with zips.translate_zip_errors(), opened.open(info) as member:
            return member.read(SIGNATURE_SIZE)
    except zips.ZipDamaged:
        return b""


def _shown_parts(info: zipfile.ZipInfo) -> tuple[str, ...]:
    """Return the parts of a file's name, fit to be shown; none for folders and hidden files."""
    parts = tuple(
        part for part in map(_shown, _decoded_name(info).split("/")) if part not in ("", ".", "..")
    )
    is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    # Not info.is_dir(): that fails on a name that begins with a zero byte.
    return () if is_hidden or info.orig_filename.endswith("/") else parts


def _decoded_name(info: zipfile.ZipInfo) -> str:
    name = info.orig_filename
    if not info.flag_bits & UTF8_FLAG:
        # macOS writes UTF-8 without saying so.
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _shown(part: str) -> str:
    """Return a part without characters that are invisible, or that turn the text around."""
    visible = (char for char in part if unicodedata.category(char) not in ("Cc", "Cf", "Cs"))
    return unicodedata.normalize("NFC", "".join(visible)).strip()


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_NAME else "…" + text[-MAX_NAME:]


def _too_many_files(limit: int) -> ArchiveError:
    return ArchiveError(
        f"This zip has too many files: at most {limit:,} photos are read at a time. Send fewer."
    )


def printable(path: Path) -> str:
    """Return a path with forward slashes that can be printed, whatever bytes its name is of."""
    return path.as_posix().encode("utf-8", "backslashreplace").decode()


def map_ordered(
    work: Callable[[T], R], items: Iterable[T], threads: int | None = None
) -> Iterator[R]:
    """Yield the results of ``work`` on ``items``, run on all cores, in the order of the items.

    A few items per core are in progress at a time: memory stays small however many
    there are, and closing the iterator stops the others.
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
