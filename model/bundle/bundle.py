"""A model on disk: a folder with ``bundle.json`` and the files that it vouches for.

No file of a bundle is executed or unpickled. The bundle's version is the hash
of ``bundle.json``, which holds the hash of every other file.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ..errors import BundleDamaged, BundleNotFound, BundleTooNew
from ..preprocess import Pixels
from .manifest import FORMAT, File, Manifest

__all__ = ["BUILTIN_DIR", "MANIFEST", "Bundle", "GoldenOutputs"]

BUILTIN_DIR = Path(__file__).resolve().parent.parent / "library"
MANIFEST = "bundle.json"
MANIFEST_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class GoldenOutputs:
    """Pixel arrays and the learner's own answers to them.

    ``pixels`` uint8 [K, height, width, 3]; ``logits`` and ``probabilities``
    float32 [K, labels]; ``novelty`` float32 [K], where the bundle has it.
    """

    pixels: Pixels
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    novelty: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: its manifest is checked, its files on reading."""

    folder: Path
    manifest: Manifest
    version: str

    @classmethod
    def open(cls, folder: Path) -> "Bundle":
        """Read and check ``bundle.json``, and that every file is there in full.

        Raises:
            BundleNotFound: there is no bundle in ``folder``.
            BundleTooNew: a newer Loupe wrote it.
            BundleDamaged: the manifest or a file is not as it should be.
        """
        text = _manifest_bytes(folder / MANIFEST)
        manifest = _parse(text, folder / MANIFEST)
        bundle = cls(folder, manifest, hashlib.sha256(text).hexdigest()[:12])
        for name, file in manifest.files.items():
            bundle._check_size(name, file)
        return bundle

    @property
    def name(self) -> str:
        """The name that links and commands use."""
        return self.manifest.name

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in the order of the network's outputs."""
        return self.manifest.labels

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.manifest.files.values())

    def read(self, name: str) -> bytes:
        """A file's bytes, once their hash is as the manifest says.

        Raises:
            BundleDamaged: the file was changed, cut short or taken away.
        """
        path, file = self.folder / name, self.manifest.files[name]
        self._check_size(name, file)
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise BundleDamaged(
                f"{path} was changed after the model was made: its SHA-256 differs from "
                f"the one in {MANIFEST}. {_remedy(self.folder)}"
            )
        return data

    def whole(self, name: str) -> Path:
        """Where a file is, once its hash is as the manifest says; hashed again when it changes.

        Raises:
            BundleDamaged: the file was changed, cut short or taken away.
        """
        path, file = self.folder / name, self.manifest.files[name]
        self._check_size(name, file)
        found = path.stat()
        if _hashed(path, found.st_mtime_ns, found.st_ino) != file.sha256:
            self.read(name)
        return path

    @cached_property
    def golden(self) -> GoldenOutputs:
        """The golden answers.

        Raises:
            BundleDamaged: the file is not as it should be.
        """
        path, data = self.folder / "golden.npz", self.read("golden.npz")
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                golden = GoldenOutputs(
                    arrays["pixels"],
                    arrays["logits"],
                    arrays["probabilities"],
                    arrays.get("novelty"),
                )
            count = len(golden.pixels)
        except Exception as error:  # zipfile, zlib and NumPy each raise their own
            raise BundleDamaged(
                f"{path} cannot be read: {error}. {_remedy(self.folder)}"
            ) from error
        labels = len(self.labels)
        shapes = (golden.pixels.shape, golden.logits.shape, golden.probabilities.shape)
        wanted = ((count, *self.manifest.recipe.size, 3), (count, labels), (count, labels))
        novelty = np.zeros(count, np.float32) if golden.novelty is None else golden.novelty
        numbers = {golden.logits.dtype, golden.probabilities.dtype, novelty.dtype} == {
            np.dtype(np.float32)
        }
        fits = shapes == wanted and novelty.shape == (count,) and golden.pixels.dtype == np.uint8
        if not (fits and numbers and count):
            raise BundleDamaged(
                f"{path} holds arrays of shapes {shapes} where the manifest asks for {wanted}, "
                "uint8 and float32. "
                f"{_remedy(self.folder)}"
            )
        return golden

    def verify(self) -> None:
        """Read every file and compare its hash.

        Raises:
            BundleDamaged: a file differs.
        """
        for name in self.manifest.files:
            self.read(name)

    def _check_size(self, name: str, file: File) -> None:
        path = self.folder / name
        if not path.is_file() or path.is_symlink():
            raise BundleDamaged(f"{path} is missing. {_remedy(self.folder)}")
        if (size := path.stat().st_size) != file.bytes:
            raise BundleDamaged(
                f"{path} has {size:,} bytes where {file.bytes:,} are expected: it was cut short "
                f"or changed. {_remedy(self.folder)}"
            )


@lru_cache(maxsize=64)
def _hashed(path: Path, _changed: int, _inode: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(MANIFEST_BYTES + 1)
    except FileNotFoundError:
        raise BundleNotFound(f"There is no model in {path.parent}: {path} is missing.") from None
    except OSError as error:
        raise BundleDamaged(f"{path} cannot be read: {error.strerror}.") from error
    if len(text) > MANIFEST_BYTES:
        raise BundleDamaged(f"{path} is larger than any manifest. {_remedy(path.parent)}")
    return text


def _parse(text: bytes, path: Path) -> Manifest:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleDamaged(f"{path} is not whole JSON: {error}. {_remedy(path.parent)}") from error
    written = values.get("format") if isinstance(values, dict) else None
    if isinstance(written, int) and written > FORMAT:
        raise BundleTooNew(
            f"{path} has format {written}, and this Loupe reads up to {FORMAT}. "
            "Update Loupe, or build the model again with this version."
        )
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or MANIFEST
        raise BundleDamaged(
            f"{path} is not a valid manifest: {where}: {first['msg']}. {_remedy(path.parent)}"
        ) from error


def _remedy(folder: Path) -> str:
    if folder.is_relative_to(BUILTIN_DIR):
        return f"Restore it (git checkout -- model/library/{folder.name}) or build it again."
    return "Import or build the model again."
