"""Photos inside a zip that somebody sent.

Nothing is ever unpacked to a disk: names are for display, and a photo's bytes
are read one at a time, up to a limit, whatever the zip says of them.
"""

import copy
import struct
import unicodedata
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import PurePosixPath
from typing import BinaryIO

from .errors import ArchiveError, DamagedPhoto, PhotoTooLarge, UnsupportedFormat
from .photo import MAX_BYTES
from .photo_files import SUFFIXES

__all__ = ["ZipPhoto", "open_photos"]

MAX_TOTAL = 2**30
"""Bytes that all members together may say that they hold."""

MAX_RATIO = 100
"""How many times smaller a zip of photos may be than the photos: they hardly shrink."""

RATIO_FROM = 10 * 2**20
"""Bytes below which a ratio proves nothing: a plain drawing shrinks a lot."""

MAX_NAME = 200
"""Characters of a name that are shown."""

ENTRY = b"PK\x01\x02"
HEADER = 30
ENCRYPTED = 0x1
UTF8 = 0x800


@dataclass(frozen=True, slots=True)
class ZipPhoto:
    """A photo in a zip: ``name`` to show, ``label`` its folder's name, if it has one.

    Neither is a path: parts that lead out of a folder are gone.
    """

    name: str
    label: str | None
    _zip: zipfile.ZipFile = field(repr=False, compare=False)
    _info: zipfile.ZipInfo = field(repr=False, compare=False)

    def read(self) -> bytes:
        """The photo's bytes; safe to call from several threads at once.

        Raises:
            PhotoTooLarge: more than 20 MB, by what the zip says or in truth.
            UnsupportedFormat: compressed in a way that is not read.
            DamagedPhoto: it does not unpack to what the zip says.
        """
        if self._info.file_size > MAX_BYTES:
            raise _too_large()
        if self._info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnsupportedFormat(
                "That photo is compressed in a way that I do not read. "
                "Zip the photos again without special settings."
            )
        # zipfile stops at the size that the header gives; the true one is wanted.
        info = copy.copy(self._info)
        info.file_size = MAX_BYTES + 2
        try:
            with self._zip.open(info) as file:
                data = file.read(MAX_BYTES + 1)
        except Exception:  # noqa: BLE001 - zipfile raises nearly anything
            raise _damaged() from None
        if len(data) > MAX_BYTES:
            raise _too_large()
        if len(data) != self._info.file_size:
            raise _damaged()
        return data


def open_photos(data: bytes | BinaryIO, limit: int) -> list[ZipPhoto]:
    """The photos in a zip, in its order; their bytes are read later, one by one.

    Folders, hidden files, what macOS adds, zips in the zip and all else that is
    no photo are left out.

    Args:
        data: the zip's bytes, or an open file that stays open while photos are read.
        limit: how many photos there may be.

    Raises:
        ArchiveError: damaged, protected by a password, without photos, or made to
            exhaust the machine: too many members, too large, absurdly compressed,
            or with members that overlap.
    """
    file = BytesIO(data) if isinstance(data, bytes) else data
    opened = _opened(file, limit)
    infos = opened.infolist()
    _check_sizes(infos)
    _check_overlap(infos, opened.start_dir)
    photos = [(parts, info) for info in infos if (parts := _photo(info))]
    if len(photos) > limit:
        raise _too_many(limit)
    if any(info.flag_bits & ENCRYPTED for _, info in photos):
        raise ArchiveError("This zip is protected by a password. Send one without.")
    if not photos:
        raise ArchiveError(
            "There is no photo in this zip. Photos end in " + ", ".join(sorted(SUFFIXES)) + "."
        )
    return [
        ZipPhoto(_short("/".join(parts)), _short(parts[-2]) if parts[:-1] else None, opened, info)
        for parts, info in photos
    ]


def _opened(file: BinaryIO, limit: int) -> zipfile.ZipFile:
    try:
        # Opening builds an object an entry: they are counted before. Beside photos
        # there may be folders, hidden files and the entries of zips in the zip.
        if _entries(file) > 10 * limit + 100:
            raise _too_many(limit)
        return zipfile.ZipFile(file)
    except (
        zipfile.BadZipFile,
        struct.error,
        EOFError,
        IndexError,
        NotImplementedError,
        OSError,
        OverflowError,
        ValueError,
    ):
        raise ArchiveError(
            "This file is not a whole zip. Zip the photos again and send that."
        ) from None


def _entries(file: BinaryIO) -> int:
    """At least as many as the zip has entries, by their signature: headers may lie."""
    file.seek(0)
    count, kept = 0, b""
    while chunk := file.read(2**20):
        count += (kept + chunk).count(ENTRY)
        # Shorter than a signature, so that none is counted twice.
        kept = chunk[-len(ENTRY) + 1 :]
    file.seek(0)
    return count


def _check_sizes(infos: Sequence[zipfile.ZipInfo]) -> None:
    total = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    if total > MAX_TOTAL:
        raise ArchiveError(
            f"This zip holds {total / 2**30:,.1f} GB, and at most {MAX_TOTAL / 2**30:.0f} GB is "
            "read. Send fewer photos at once."
        )
    if total > RATIO_FROM and total > MAX_RATIO * packed:
        raise ArchiveError(
            "This zip says that it unpacks to more than a hundred times its size, as no "
            "photos do. Zip the photos again and send that."
        )


def _check_overlap(infos: Sequence[zipfile.ZipInfo], end: int) -> None:
    """Refuse members that share bytes: that is how a small zip unpacks to petabytes."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    ends = [info.header_offset for info in ordered[1:]] + [end]
    for info, limit in zip(ordered, ends, strict=False):
        if info.header_offset < 0 or info.header_offset + HEADER + info.compress_size > limit:
            raise ArchiveError(
                "Files in this zip overlap, as in no zip made by a usual tool. "
                "Zip the photos again and send that."
            )


def _photo(info: zipfile.ZipInfo) -> tuple[str, ...]:
    """The parts of a photo's name, fit to be shown; none for what is no photo."""
    parts = tuple(
        part for part in map(_shown, _name(info).split("/")) if part not in ("", ".", "..")
    )
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    # Not info.is_dir(): that fails on a name that begins with a zero byte.
    if not parts or hidden or info.orig_filename.endswith("/"):
        return ()
    return parts if PurePosixPath(parts[-1]).suffix.lower() in SUFFIXES else ()


def _name(info: zipfile.ZipInfo) -> str:
    name = info.orig_filename
    if not info.flag_bits & UTF8:
        # macOS writes UTF-8 without saying so.
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _shown(part: str) -> str:
    """Without characters that are not seen, or that turn the text around."""
    seen = (char for char in part if unicodedata.category(char) not in ("Cc", "Cf", "Cs"))
    return unicodedata.normalize("NFC", "".join(seen)).strip()


def _short(text: str) -> str:
    return text if len(text) <= MAX_NAME else "…" + text[-MAX_NAME:]


def _too_many(limit: int) -> ArchiveError:
    return ArchiveError(f"This zip has too many files: at most {limit:,} photos are read at once.")


def _too_large() -> PhotoTooLarge:
    return PhotoTooLarge("That photo is larger than 20 MB. Send a smaller version of it.")


def _damaged() -> DamagedPhoto:
    return DamagedPhoto("That photo is damaged inside the zip. Zip the photos again.")
