"""A model on disk: a folder with ``bundle.json``, which holds the hash of every other file.

No file of a bundle is executed or unpickled. A bundle's version is the hash of its
``bundle.json``.
"""

import hashlib
import io
import json
import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ..engine_info import OPTIONAL_FILES
from ..errors import BundleDamaged, BundleNotFound, BundleTooNew
from ..preprocess import Pixels
from ..storage.disk import hash_file
from .manifest import BESIDE, FORMAT, File, Manifest

BUILTIN_DIR = Path(__file__).resolve().parent.parent / "library"
EARLIER_DIR = Path(__file__).with_name("earlier")
MANIFEST = "bundle.json"
MAX_MANIFEST_BYTES = 16 * 2**20

TRAINING_PHOTOS, HASH_DIGITS = "photos.sha256", 12
"""The file that lists the photos a model was trained on, and how much of each SHA-256 it has."""


@dataclass(frozen=True, slots=True)
class GoldenOutputs:
    """Recorded inputs with the learner's outputs for them.

    ``pixels`` uint8 [K, height, width, 3]; ``logits`` and ``probabilities`` float32
    [K, labels]; ``ood_score`` float32 [K], or None if the bundle has no OOD detector.
    """

    pixels: Pixels
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    ood_score: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Bundle:
    """An open bundle: its manifest is checked already, each file when it is read.

    What reads files raises ``BundleDamaged`` if one was changed, cut short or removed.
    """

    folder: Path
    manifest: Manifest
    version: str

    @classmethod
    def open(cls, folder: Path) -> "Bundle":
        """Validate ``bundle.json``, and check that every file exists in full size.

        A file that only one engine needs, such as ``weights.safetensors``, may be left out.

        Raises:
            BundleNotFound: there is no bundle in ``folder``.
            BundleTooNew: a newer Loupe wrote it.
            BundleDamaged: the manifest is invalid, or a file is missing or cut short.
        """
        manifest, version = read_manifest(folder / MANIFEST)
        bundle = cls(folder, manifest, version)
        for name in bundle.file_names:
            bundle._check_size(name, manifest.files[name])
        return bundle

    @classmethod
    def open_earlier(cls, name: str, version: str) -> "Bundle | None":
        """Return an earlier version of a built-in model, of which only the manifest is kept.

        Links that were made with it need its labels. None if there is none.
        """
        path = EARLIER_DIR / f"{name}-{version}.json"
        if not path.is_file():
            return None
        manifest, digest = read_manifest(path)
        return cls(path.parent / path.stem, manifest, digest) if digest == version else None

    @property
    def name(self) -> str:
        """The model's name in links and commands."""
        return self.manifest.name

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in the order of the network's outputs."""
        return self.manifest.labels

    @property
    def file_names(self) -> list[str]:
        """Names of its files, without ``bundle.json`` and those that were left out."""
        # A broken symlink is damage; a file that was left out has no entry at all.
        return [
            name
            for name in self.manifest.files
            if name not in OPTIONAL_FILES or os.path.lexists(self.folder / name)
        ]

    @cached_property
    def training_photos(self) -> frozenset[str] | None:
        """The first digits of the SHA-256 of each photo it was trained on; None if not recorded."""
        if TRAINING_PHOTOS not in self.file_names:
            return None
        return frozenset(self.read(TRAINING_PHOTOS).decode("ascii", "replace").split())

    @property
    def copied_names(self) -> list[str]:
        """Names of the files that a copy of the bundle has, ``bundle.json`` included."""
        # A link may lead to what isn't meant to be copied.
        paths = [(name, self.folder / name) for name in BESIDE]
        beside = [name for name, path in paths if path.is_file() and not path.is_symlink()]
        return [MANIFEST, *self.file_names, *beside]

    @property
    def size(self) -> int:
        """Size of its files, in bytes."""
        return sum(self.manifest.files[name].bytes for name in self.file_names)

    def read(self, name: str) -> bytes:
        """Return a file's bytes after checking their hash."""
        path, file = self.folder / name, self.manifest.files[name]
        self._check_size(name, file)
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise BundleDamaged(
                f"{path} doesn't match its SHA-256 in {MANIFEST}: it was changed after the model "
                f"was created. {_remedy(self.folder)}"
            )
        return data

    def verified_path(self, name: str) -> Path:
        """Return a file's path after checking its hash, which is cached until the file changes."""
        path, file = self.folder / name, self.manifest.files[name]
        self._check_size(name, file)
        status = path.stat()
        if _sha256(path, status.st_mtime_ns, status.st_ino) != file.sha256:
            self.read(name)
        return path

    def copy_source(self, name: str) -> Path:
        """Return the path of one of ``copied_names``, with its hash checked if it has one."""
        return self.verified_path(name) if name in self.manifest.files else self.folder / name

    @cached_property
    def golden(self) -> GoldenOutputs:
        """The golden outputs.

        Raises:
            BundleDamaged: the file cannot be read or does not fit the manifest.
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
            raise BundleDamaged(f"{path} can't be read: {error}. {_remedy(self.folder)}") from error
        self._check_golden_arrays(golden, count)
        return golden

    def _check_golden_arrays(self, golden: GoldenOutputs, count: int) -> None:
        labels = len(self.labels)
        scores = np.zeros(count, np.float32) if golden.ood_score is None else golden.ood_score
        arrays = (golden.pixels, golden.logits, golden.probabilities, scores)
        expected = (
            ((count, *self.manifest.recipe.size, 3), "uint8"),
            ((count, labels), "float32"),
            ((count, labels), "float32"),
            ((count,), "float32"),
        )
        actual = tuple((array.shape, str(array.dtype)) for array in arrays)
        if not count or actual != expected:
            raise BundleDamaged(
                f"{self.folder / 'golden.npz'} has arrays of {actual}, but the manifest needs "
                f"{expected}. {_remedy(self.folder)}"
            )

    def verify(self) -> None:
        """Read every file and check its hash."""
        for name in self.file_names:
            self.read(name)

    def _check_size(self, name: str, file: File) -> None:
        path = self.folder / name
        if not path.is_file() or path.is_symlink():
            raise BundleDamaged(f"{path} is missing. {_remedy(self.folder)}")
        if (size := path.stat().st_size) != file.bytes:
            raise BundleDamaged(
                f"{path} has {size:,} bytes instead of {file.bytes:,}: it was cut short or "
                f"changed. {_remedy(self.folder)}"
            )


@lru_cache(maxsize=64)
def _sha256(path: Path, _mtime_ns: int, _inode: int) -> str:
    return hash_file(path)


def read_manifest(path: Path) -> tuple[Manifest, str]:
    """Return a manifest and its version, cached until the file changes.

    Raises:
        BundleNotFound, BundleTooNew, BundleDamaged: see ``Bundle.open``.
    """
    try:
        status = path.stat()
        return _load_manifest(path, status.st_mtime_ns, status.st_ino, status.st_size)
    except FileNotFoundError:
        raise BundleNotFound(f"There is no model in {path.parent}: {path} is missing.") from None
    except OSError as error:
        raise BundleDamaged(f"{path} can't be read: {error.strerror}.") from error


# Every rerun of a page lists the models, and parsing one manifest takes half as long as
# resizing a photo.
@lru_cache(maxsize=256)
def _load_manifest(path: Path, _mtime_ns: int, _inode: int, _size: int) -> tuple[Manifest, str]:
    with path.open("rb") as file:
        text = file.read(MAX_MANIFEST_BYTES + 1)
    if len(text) > MAX_MANIFEST_BYTES:
        raise BundleDamaged(f"{path} is too large for a manifest. {_remedy(path.parent)}")
    return _parse_manifest(text, path), hashlib.sha256(text).hexdigest()[:12]


def _parse_manifest(text: bytes, path: Path) -> Manifest:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleDamaged(f"{path} is not valid JSON: {error}. {_remedy(path.parent)}") from error
    number = values.get("format") if isinstance(values, dict) else None
    if isinstance(number, int) and number > FORMAT:
        raise BundleTooNew(
            f"{path} has format {number}, but this version of Loupe reads formats up to {FORMAT}. "
            "Update Loupe, or build the model again with this version."
        )
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(step) for step in first["loc"]) or MANIFEST
        raise BundleDamaged(
            f"{path} is not a valid manifest: {field}: {first['msg']}. {_remedy(path.parent)}"
        ) from error


def _remedy(folder: Path) -> str:
    if folder.is_relative_to(BUILTIN_DIR):
        return f"Restore it (git checkout -- model/library/{folder.name}) or build it again."
    return "Import or build the model again."
