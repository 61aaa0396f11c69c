"""A file → its pickle as placeholders, and the numbers of its tensors.

torch's zip, torch's format from before 1.6, or safetensors.
"""

import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ...errors import ExportRefused
from . import printable
from .archive import AGAIN, BIG_ENDIAN, MAX_PICKLE, Archive, describe_foreign, read_archive
from .tensors import StrangeTensor, is_safetensors, read_safetensors
from .unpickler import LimitExceeded, Unpickler, UnpickleResult

MAGIC = 0x1950A86A20F9469CFC6C
"""The number that torch's older format begins with, as a pickle."""

LEGACY_PICKLES = 5
"""Pickles of the older format: magic number, protocol, machine, object, keys of its weights."""


@dataclass
class ExportFile:
    """An opened file, read into placeholders.

    ``damage`` describes where a pickle breaks off; ``root`` is None then. ``offsets`` are the
    positions of the storages' first bytes.
    """

    format: Literal["zip", "legacy", "safetensors"]
    size: int
    root: Any
    reading: UnpickleResult
    damage: str = ""
    limit: str = ""
    archive: Archive | None = None
    file: BinaryIO | None = None
    offsets: dict[str, int] = field(default_factory=dict)

    @property
    def weights_bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(storage.bytes for storage in self.reading.storages.values())

    @property
    def has_weights(self) -> bool:
        """True unless a zip lacks storages that its pickle names."""
        archive = self.archive
        return archive is None or all(map(archive.has_storage, self.reading.storages.values()))

    def read_storage(self, key: str) -> bytes:
        """Return the bytes of a storage.

        Raises:
            StrangeTensor: the storage is missing or incomplete.
        """
        storage = self.reading.storages[key]
        if self.archive is not None:
            return self.archive.read_storage(storage)
        if self.file is None or key not in self.offsets:
            raise StrangeTensor("weights that the file refers to are not in it")
        self.file.seek(self.offsets[key])
        data = self.file.read(storage.bytes)
        if len(data) != storage.bytes:
            raise StrangeTensor("the file ends before its weights do")
        return data


@contextmanager
def open_export(path: Path) -> Iterator[ExportFile]:
    """Open a file and read its pickle into placeholders.

    Raises:
        ExportRefused: the file is missing, not an export, cut short, or made to exhaust the
            machine.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ExportRefused(
                f"{printable(str(path), 500)} is not a file. Name the export itself."
            )
        file = path.open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name cannot be used"
        raise ExportRefused(
            f"{printable(str(path), 500)} cannot be read: {reason}. Check its name."
        ) from None
    with file:
        head = file.read(512)
        if is_safetensors(head):
            file.seek(0)
            yield _read_safetensors(file, status.st_size)
            return
        if message := describe_foreign(head, status.st_size):
            raise ExportRefused(message)
        file.seek(0)
        # torch decides by these bytes as well: anything before the zip makes it a pickle.
        read = _read_zip if head.startswith(b"PK\x03\x04") else _read_legacy
        yield read(file, status.st_size)


def _read_safetensors(file: BinaryIO, size: int) -> ExportFile:
    tensors, offsets = read_safetensors(file, size)
    export = ExportFile("safetensors", size, tensors, UnpickleResult(), file=file, offsets=offsets)
    export.reading.storages = {name: tensor.storage for name, tensor in tensors.items()}
    return export


def _read_zip(file: BinaryIO, size: int) -> ExportFile:
    archive = read_archive(file)
    export = ExportFile("zip", size, None, UnpickleResult())
    export.archive, data = archive, io.BytesIO(archive.pickle)
    export.root = _load(data, export)
    if not export.damage and data.tell() < len(archive.pickle):
        export.damage = "more data follows the end of its pickle"
    return export


def _read_legacy(file: BinaryIO, size: int) -> ExportFile:
    """Read the consecutive pickles of torch's older format."""
    export = ExportFile("legacy", size, None, UnpickleResult())
    data = io.BytesIO(file.read(MAX_PICKLE + 1))
    roots = [_load(data, export)]
    if roots != [MAGIC]:
        raise ExportRefused(
            "This is not a fastai export: torch didn't write it (pickle or joblib may have). "
            f"{AGAIN}"
        )
    while len(roots) < LEGACY_PICKLES and not export.damage:
        roots.append(_load(data, export))
    machine = roots[2] if len(roots) > 2 else None
    if isinstance(machine, dict) and machine.get("little_endian") is False:
        raise ExportRefused(BIG_ENDIAN)
    export.root = roots[3] if len(roots) == LEGACY_PICKLES else None
    if not export.damage:
        _locate(export, roots[4], file, data.tell())
    return export


def _load(data: io.BytesIO, export: ExportFile) -> Any:
    """Read one pickle; record a failure in ``export``."""
    try:
        return Unpickler(data, export.reading).load()
    except LimitExceeded as error:
        export.limit = str(error)
    except MemoryError:
        export.limit = "reading it takes more memory than any export needs"
    except Exception as error:  # noqa: BLE001 - a pickle may be wrong in any way
        export.damage = (
            f"at byte {data.tell():,} of its pickle: {printable(str(error)) or 'it ends'}"
        )
    export.damage = export.damage or export.limit
    return None


def _locate(export: ExportFile, keys: Any, file: BinaryIO, at: int) -> None:
    """Record the offset of each storage; its count precedes it, in eight bytes."""
    storages = export.reading.storages
    if not isinstance(keys, list) or set(map(str, keys)) != set(storages):
        export.damage = "its list of weights is not that of its tensors"
        return
    for key in map(str, keys):
        file.seek(at)
        count, length = int.from_bytes(file.read(8), "little"), storages[key].bytes
        if count != storages[key].size or at + 8 + length > export.size:
            export.damage = "the weights end before they are complete"
            return
        export.offsets[key] = at + 8
        at += 8 + length
    export.file = file
