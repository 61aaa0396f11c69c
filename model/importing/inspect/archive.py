"""torch's zip → the pickle in it, with nothing hidden beside it; and files mistaken for an export.

Two readers of one zip can see two different files: torch goes by the central directory
and ignores upper and lower case, others go from header to header. A zip in which they
could differ is refused, as torch never writes one.
"""

import re
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from ...errors import ExportRefused
from ...storage import zips
from . import printable
from .placeholders import DTYPES, Storage
from .tensors import StrangeTensor

AGAIN = "In the notebook where it was trained call learn.export(), and take the file it writes."
UNPACK = "Unpack it first, then name the export.pkl in it."
NO_IMPORT = "It cannot be imported."

BIG_ENDIAN = (
    "This file was written with big-endian numbers, and Loupe reads little-endian ones. Load it "
    "on a little-endian machine (x86, ARM) and call learn.export() there."
)

KERAS = "a Keras or TensorFlow model, not a fastai export."
PAGE = (
    "a web page that was saved under the export's name: a sign-in page, or the page about the "
    "file instead of the file. Open the link in a browser, and use its download button."
)
POINTER = (
    "a Git LFS pointer, a few lines of text in place of the file. Fetch the file itself with: git "
    "lfs pull"
)

FORMATS: tuple[tuple[bytes, str], ...] = (
    (rb"version https://git-lfs", POINTER),
    (rb"\x89HDF\r\n\x1a\n", f"an HDF5 file (.h5), as Keras writes it: {KERAS} {NO_IMPORT}"),
    (
        rb"\x1f\x8b|BZh|\xfd7zXZ\0|7z\xbc\xaf\x27\x1c|Rar!|.{257}ustar",
        f"an archive (gzip, bzip2, xz, 7z, RAR or tar). {UNPACK}",
    ),
    (rb"\x93NUMPY", f"a NumPy array (.npy), not a learner. {AGAIN}"),
    (rb"\xff\xd8\xff|\x89PNG|%PDF", f"a photo or a picture, not a learner. {AGAIN}"),
    (rb"GGUF", f"a GGUF language model, not a fastai export. {NO_IMPORT}"),
    (rb"(\xef\xbb\xbf)?\s*(?i:<!doctype|<html|<\?xml|<head)", PAGE),
    (rb".{4}TFL3", f"a TensorFlow Lite model, not a fastai export. {NO_IMPORT}"),
    (rb"(\xef\xbb\xbf)?\s*[{\[][\x00-\x7f]*\Z", f"a text file (JSON, a notebook). {AGAIN}"),
    # A protobuf that begins with ONNX's version, or names ONNX or its writer.
    (
        rb"\x08[\x01-\x1f][\x12\x3a\x42]|[\x08\x0a\x3a].{0,252}(?i:onnx)",
        f"an ONNX model: a network without labels and preprocessing. {AGAIN}",
    ),
)
"""Formats by a regular expression of their first bytes, in words that follow "This is"."""


def describe_foreign(head: bytes, size: int) -> str | None:
    """Describe a file by its first bytes; return None if it may be a pickle or a zip."""
    if not size:
        return f"This file is empty. The download or the copy did not work. {AGAIN}"
    if not head.strip(b"\0"):
        return f"This file begins with nothing but zeros: it was not copied whole. {AGAIN}"
    for pattern, what in FORMATS:
        if re.match(pattern, head, re.DOTALL):
            return f"This is {what}"
    return None


def describe_foreign_zip(names: Collection[str]) -> str:
    """Describe a zip without a ``data.pkl``."""
    ends = {name.lower().rsplit("/", 1)[-1] for name in names}
    if "bundle.json" in ends:
        return (
            "This is a zipped model of Loupe. Unpack it into models/NAME/ in the data folder; "
            "it needs no import."
        )
    if "project.json" in ends:
        return (
            "This may be a project of Teach, with its photos. Open it on the page Teach, save "
            "the model there as a .loupe file, and import that."
        )
    if "model.weights.h5" in ends or "saved_model.pb" in ends:
        return f"This is {KERAS} {NO_IMPORT}"
    inside = next((name for name in names if name.lower().endswith((".pkl", ".pth", ".pt"))), None)
    if inside:
        return f"This is a zip with the file {inside} in it. Unpack it first, then name that file."
    if ends and all(name.endswith(".npy") for name in ends):
        return f"These are NumPy arrays (.npz), not a learner. {AGAIN}"
    return f"This zip was not written by torch: there is no data.pkl in it. {AGAIN}"


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
            raise ExportRefused(
                f"A part of this file unpacks to {info.file_size / 2**20:,.0f} MB, as no export's "
                f"does: the file is made to exhaust the machine. {AGAIN}"
            )
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


def _damaged() -> ExportRefused:
    return ExportRefused(
        "This zip is damaged, encrypted, or contradicts itself, so that two programs see two "
        f"different files in it. torch writes no such file. {AGAIN}"
    )
