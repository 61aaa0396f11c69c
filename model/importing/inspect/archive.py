"""torch's zip → the pickle in it, with nothing hidden beside it.

Two readers of one zip can see two different files: torch goes by the central directory
and ignores upper and lower case, others go from header to header. A zip in which they
could differ is refused, as torch never writes one.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from ...errors import ExportRefused
from ...storage import zips
from .export_report import printable
from .foreign import AGAIN, BIG_ENDIAN, describe_foreign_zip
from .placeholders import DTYPES, Storage
from .tensors import StrangeTensor

MAX_PICKLE = 64 * 2**20
"""Bytes of ``data.pkl`` that are read; those of large networks have a few million."""

MAX_RATIO = 100
"""Largest compression ratio of a part; torch compresses nothing."""

RATIO_FROM = 2**20
"""Smallest size of a part, in bytes, at which its ratio is checked."""

MAX_MEMBERS = 50_000

MAX_DIRECTORY = 16 * 2**20
"""Bytes of the central directory, which is read whole."""

MAX_BYTEORDER = 16
"""Most bytes of ``byteorder``, whose content is "little" or "big"."""

PLAIN_RECORDS = {"version", "byteorder", "data.pkl"}


@dataclass(frozen=True, slots=True)
class Archive:
    """A torch zip: its pickle, and its tensors' numbers by key."""

    zipped: zipfile.ZipFile
    top: str
    pickle: bytes

    def has_storage(self, storage: Storage) -> bool:
        """Return True if the zip lists a storage in full; of unknown types, any size counts."""
        info = self.zipped.NameToInfo.get(f"{self.top}/data/{storage.key}")
        return info is not None and (storage.type not in DTYPES or info.file_size == storage.bytes)

    def read_storage(self, storage: Storage) -> bytes:
        """Return the bytes of a storage.

        Raises:
            StrangeTensor: the storage is not in the zip, or has another size.
        """
        try:
            info = self.zipped.getinfo(f"{self.top}/data/{storage.key}")
            data = zips.read_member(self.zipped, info, storage.bytes)
        except (KeyError, zips.ZipDamaged):
            raise StrangeTensor("weights that the file refers to are not in it") from None
        if len(data) != storage.bytes:
            raise StrangeTensor("weights that the file refers to are not whole")
        return data


def read_archive(file: BinaryIO) -> Archive:
    """Read a torch zip; its weights are read later.

    Raises:
        ExportRefused: the zip is cut short, not torch's, contradictory, or a bomb.
    """
    opened = _open(file)
    infos = opened.infolist()
    names = [info.filename for info in infos]
    pickles = [info for info in infos if info.filename.lower().rsplit("/", 1)[-1] == "data.pkl"]
    if not pickles or len(pickles[0].filename.split("/")) != 2:
        raise ExportRefused(describe_foreign_zip([printable(name) for name in names]))
    top = pickles[0].filename.split("/")[0]
    for info in infos:
        is_packed = info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * info.compress_size
        if is_packed or (info is pickles[0] and info.file_size > MAX_PICKLE):
            raise _bomb(info.file_size)
    _check_parts(len(pickles), names, top)
    if f"{top}/byteorder" in names:
        order = opened.getinfo(f"{top}/byteorder")
        if order.file_size > MAX_BYTEORDER or _read(opened, order) != b"little":
            raise ExportRefused(BIG_ENDIAN)
    return Archive(opened, top, _read(opened, pickles[0]))


def _open(file: BinaryIO) -> zipfile.ZipFile:
    try:
        opened = zips.open_zip(file, max_entries=MAX_MEMBERS, max_directory_bytes=MAX_DIRECTORY)
        zips.check_layout(file, opened)
    except zips.ZipIncomplete:
        raise ExportRefused(
            "This file is cut short, or was changed at its end: the list of its parts is missing. "
            "Download or copy it again, and compare its size with the original's."
        ) from None
    except zips.TooManyEntries as error:
        raise ExportRefused(
            f"This file says that it has {error.entries:,} parts, more than any export. It is "
            f"damaged, or made to exhaust the machine. {AGAIN}"
        ) from None
    except zips.ZipDamaged:
        raise _damaged() from None
    return opened


def _check_parts(pickles: int, names: Sequence[str], top: str) -> None:
    """Refuse parts that torch doesn't write, or that two programs would read differently."""
    if pickles > 1 or len({name.lower() for name in names}) < len(names):
        raise ExportRefused(
            "The file holds two parts of the same name: one program reads the first, another "
            "the second. torch never writes that. Do not load it."
        )
    inner = {name.removeprefix(f"{top}/") for name in names if name.startswith(f"{top}/")}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        raise ExportRefused(
            "This is a TorchScript file (torch.jit.save), not a fastai export: labels and "
            f"preprocessing are missing. {AGAIN}"
        )
    unexpected = [name for name in names if not name.startswith(f"{top}/")]
    unexpected += sorted(name for name in inner if not _is_torch_part(name))
    if unexpected:
        listed = ", ".join(printable(name) for name in unexpected[:5])
        raise ExportRefused(
            f"The file holds parts that torch does not write: {listed}. Do not load it."
        )


def _is_torch_part(name: str) -> bool:
    is_data = name.startswith(("data/", ".")) and ".." not in name
    return not name or name in PLAIN_RECORDS or is_data


def _read(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return a part's bytes, exactly as many as the directory lists."""
    try:
        return zips.read_member(opened, info, info.file_size)
    except zips.ZipDamaged:
        raise _damaged() from None


def _bomb(size: int) -> ExportRefused:
    return ExportRefused(
        f"A part of this file unpacks to {size / 2**20:,.0f} MB, as no export's does: the file is "
        f"made to exhaust the machine. {AGAIN}"
    )


def _damaged() -> ExportRefused:
    return ExportRefused(
        "This zip is damaged, encrypted, or contradicts itself, so that two programs see two "
        f"different files in it. torch writes no such file. {AGAIN}"
    )
