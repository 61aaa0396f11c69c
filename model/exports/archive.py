"""torch's zip → the pickle in it, with nothing hidden beside it.

Two readers of one zip can see two different files: torch goes by the central directory
and ignores upper and lower case, others go from header to header. A zip in which they
could differ is refused, as torch never writes one.
"""

import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from ..errors import ExportRefused
from .foreign import AGAIN, foreign_zip
from .report import Problem, shown

__all__ = ["Contents", "contents"]

MAX_PICKLE = 64 * 2**20
"""Bytes of ``data.pkl`` that are read; those of large networks have a few million."""

MAX_PICKLES = 8
"""Parts that are read as pickles; torch writes one."""

MAX_RATIO = 100
"""How many times smaller a packed pickle may be than the pickle. torch packs nothing."""

RATIO_FROM = 2**20
"""Bytes below which a ratio proves nothing."""

MAX_MEMBERS = 50_000

MAX_DIRECTORY = 16 * 2**20
"""Bytes of the central directory, which is read whole."""

END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")
HEADER = struct.Struct("<4s5H3L2H")

MAX_GAP = 24
"""Bytes after a member: its sizes once more, where they were not known before."""

PLAIN_RECORDS = {"version", "byteorder", "data.pkl"}


@dataclass(frozen=True, slots=True)
class Contents:
    """A torch zip: its pickles (``data.pkl`` first), the sizes of its weights by key."""

    pickles: tuple[bytes, ...]
    weights: dict[str, int]
    records: frozenset[str]
    problems: tuple[Problem, ...]


def contents(file: BinaryIO, size: int) -> Contents:
    """What is in a torch zip.

    Raises:
        ExportRefused: cut short, not torch's, contradictory, or a bomb.
    """
    _check_end(file, size)
    try:
        opened = zipfile.ZipFile(file)
        infos = opened.infolist()
        _check_places(file, infos, opened.start_dir)
    except ExportRefused:
        raise
    except Exception:  # noqa: BLE001 - zipfile raises nearly anything
        raise _damaged() from None
    names = [info.filename for info in infos]
    found = [info for info in infos if info.filename.lower().rsplit("/", 1)[-1] == "data.pkl"]
    if not found or len(found[0].filename.split("/")) != 2:
        raise ExportRefused(foreign_zip([shown(name) for name in names]))
    top = found[0].filename.split("/")[0]
    others = [
        info
        for info in infos
        if info not in found and info.filename.lower().endswith((".pkl", ".pickle", ".pt", ".pth"))
    ]
    pickles = (*found, *others)[:MAX_PICKLES]
    if sum(info.file_size for info in pickles) > MAX_PICKLE:
        raise _bomb(sum(info.file_size for info in pickles))
    inner = {name.removeprefix(f"{top}/") for name in names}
    return Contents(
        tuple(_read(opened, info) for info in pickles),
        {
            info.filename.removeprefix(f"{top}/data/"): info.file_size
            for info in infos
            if info.filename.startswith(f"{top}/data/")
        },
        frozenset(inner),
        tuple(_problems(found, names, inner, top)),
    )


def _problems(
    found: Sequence[zipfile.ZipInfo],
    names: Sequence[str],
    inner: frozenset[str] | set[str],
    top: str,
) -> list[Problem]:
    problems = []
    if len(found) > 1 or len({name.lower() for name in names}) < len(names):
        problems.append(
            Problem(
                "two-pickles",
                "The file holds two parts of the same name: one program reads the first, another "
                "the second. torch never writes that. Do not load it.",
                True,
            )
        )
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        problems.append(
            Problem(
                "torchscript",
                "This is a TorchScript file (torch.jit.save), not a fastai export: the labels and "
                f"how photos are prepared are missing. {AGAIN}",
                True,
            )
        )
        return problems
    strange = sorted(
        name
        for name in inner
        if name not in PLAIN_RECORDS and not name.startswith(("data/", ".")) and name
    )
    strange += [name for name in names if not name.startswith(f"{top}/") and name not in strange]
    if strange:
        problems.append(
            Problem(
                "strange-parts",
                "The file holds parts that torch does not write: "
                + ", ".join(shown(name) for name in strange[:5])
                + ". Do not load it.",
                True,
            )
        )
    return problems


def _check_end(file: BinaryIO, size: int) -> None:
    """Whether the zip ends as torch ends it, and its directory may be read."""
    file.seek(max(0, size - END.size - LOCATOR.size))
    tail = file.read(END.size + LOCATOR.size)
    if len(tail) < END.size or not tail[-END.size :].startswith(b"PK\x05\x06"):
        raise ExportRefused(
            "This file is cut short, or was changed at its end: the list of its parts is missing. "
            "Download or copy it again, and compare its size with the original's."
        )
    *_, entries, directory, _, comment = END.unpack(tail[-END.size :])
    if comment:
        raise _damaged()
    if tail.startswith(b"PK\x06\x07"):
        _, _, place, _ = LOCATOR.unpack(tail[: LOCATOR.size])
        file.seek(min(place, size))
        packed = file.read(END64.size)
        if len(packed) < END64.size or not packed.startswith(b"PK\x06\x06"):
            raise _damaged()
        *_, entries, directory, _ = END64.unpack(packed)
    if entries > MAX_MEMBERS or directory > MAX_DIRECTORY:
        raise ExportRefused(
            f"This file says that it has {entries:,} parts, more than any export. It is damaged, "
            f"or made to exhaust the machine. {AGAIN}"
        )


def _check_places(file: BinaryIO, infos: Sequence[zipfile.ZipInfo], end: int) -> None:
    """Whether the parts lie one behind the other, and are called at their places as in the list."""
    at = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        file.seek(info.header_offset)
        header = file.read(HEADER.size)
        signature, _, flags, method, *_, named, extra = HEADER.unpack(header)
        name = file.read(named)
        same = (
            signature == b"PK\x03\x04"
            and method == info.compress_type
            and flags == info.flag_bits
            and name in (info.orig_filename.encode("cp437", "replace"), _utf8(info.orig_filename))
        )
        if not same or not 0 <= info.header_offset - at <= MAX_GAP:
            raise _damaged()
        at = info.header_offset + HEADER.size + named + extra + info.compress_size
    if not 0 <= end - at <= MAX_GAP:
        raise _damaged()


def _utf8(name: str) -> bytes:
    return name.encode("utf-8", "replace")


def _read(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A part's bytes, as many as the list says and no more."""
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ExportRefused(f"Parts of this file are encrypted or packed strangely. {AGAIN}")
    if info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * info.compress_size:
        raise _bomb(info.file_size)
    declared, info.file_size = info.file_size, MAX_PICKLE + 2
    try:
        # zipfile stops at the size that the list gives; the true one is wanted.
        with opened.open(info) as part:
            data = part.read(declared + 1)
    except Exception:  # noqa: BLE001 - zipfile raises nearly anything
        raise _damaged() from None
    finally:
        info.file_size = declared
    if len(data) != declared:
        raise _damaged()
    return data


def _bomb(size: int) -> ExportRefused:
    return ExportRefused(
        f"The pickle in this file unpacks to {size / 2**20:,.0f} MB, as no export's does: the file "
        f"is made to exhaust the machine. {AGAIN}"
    )


def _damaged() -> ExportRefused:
    return ExportRefused(
        "This zip contradicts itself: it is damaged, or made so that two programs see two "
        f"different files in it. torch writes no such file. {AGAIN}"
    )
