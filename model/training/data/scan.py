"""Read every photo once: is it valid, what does it look like, and a small copy to train on."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

from ...atomic import replace_atomically
from ...classifier import read_file
from ...errors import PhotoError
from ...photo import read
from ...photo_files import map_ordered
from ...preprocess import FILTERS, PreprocessConfig, fit_aspect, preprocess
from .discover import LabelledPhoto

__all__ = ["HASH_BITS", "PhotoScan", "scan_photos", "training_copy"]

HASH_SIDE = 16
HASH_BITS = HASH_SIDE**2
JPEG_QUALITY = 95
INDEX_FILE = "looks.json"
COPY_SCALE = 1.25
"""Side of a small copy, in sides of the network's input."""

MAX_ASPECT = 3
"""Longest side of a small copy, in shortest ones: a strip would stay large in one direction."""


@dataclass(frozen=True, slots=True)
class PhotoScan:
    """What is known of a photo: its file's size, modification time (nanoseconds) and SHA-256,
    its perceptual hash (hexadecimal, 256 bits) and the file made of it; or why it was rejected.

    ``copy`` names a small JPEG to train on, or, if the folders say that the photo is held
    out, a ``.npy`` file with its exact pixels.
    """

    name: str
    bytes: int = -1
    changed: int = 0
    sha256: str = ""
    hash: str = ""
    copy: str = ""
    refusal: str = ""


def scan_photos(
    photos: Sequence[LabelledPhoto],
    folder: Path,
    config: PreprocessConfig,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[PhotoScan]:
    """Read every photo, on all cores, and write its small copy to ``folder``.

    Files that an earlier call left there are used again.

    Args:
        photos: all photos of a dataset.
        folder: where the copies go.
        config: how the network's input is made.
        progress: called with the number of photos done and their total.

    Source of the hash: pHash (a low-frequency cosine transform against its median).
    """
    folder.mkdir(parents=True, exist_ok=True)
    previous = _load_index(folder)

    def scan(photo: LabelledPhoto) -> PhotoScan:
        try:
            stat = photo.path.stat()
        except OSError as error:
            return PhotoScan(photo.name, refusal=f"It cannot be read: {error.strerror}.")
        known = previous.get(photo.name)
        same = known and (known.bytes, known.changed) == (stat.st_size, stat.st_mtime_ns)
        if known and same and (known.refusal or (folder / known.copy).is_file()):
            return known
        return _scan_photo(photo, stat, folder, config)

    scans = []
    for done, result in enumerate(map_ordered(scan, photos), 1):
        scans.append(result)
        progress(done, len(photos))
    with replace_atomically(folder / INDEX_FILE) as temporary:
        temporary.write_text(json.dumps([asdict(result) for result in scans]), encoding="utf-8")
    return scans


def _scan_photo(
    photo: LabelledPhoto, stat: os.stat_result, folder: Path, config: PreprocessConfig
) -> PhotoScan:
    size, changed = stat.st_size, stat.st_mtime_ns
    try:
        data = read_file(photo.path)
        image = read(data, resize=config.min_decode_size).image
    except PhotoError as error:
        return PhotoScan(photo.name, size, changed, refusal=str(error))
    return PhotoScan(
        photo.name,
        size,
        changed,
        sha256=hashlib.sha256(data).hexdigest(),
        hash=str(imagehash.phash(image, hash_size=HASH_SIDE)),
        copy=_write_copy(photo, image, folder, config),
    )


def _write_copy(
    photo: LabelledPhoto, image: Image.Image, folder: Path, config: PreprocessConfig
) -> str:
    stem = hashlib.sha256(photo.name.encode()).hexdigest()[:24]
    if photo.part in ("held out", "test"):
        with replace_atomically(folder / f"{stem}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, preprocess(image, config))
        return f"{stem}.npy"
    with replace_atomically(folder / f"{stem}.jpg") as temporary:
        training_copy(image, config).save(temporary, "JPEG", quality=JPEG_QUALITY)
    return f"{stem}.jpg"


def training_copy(image: Image.Image, config: PreprocessConfig) -> Image.Image:
    """Return a small copy of a photo, somewhat larger than the network's input.

    What preprocessing would crop stays, because random crops train on it.
    """
    height, width = (round(side * COPY_SCALE) for side in config.resize)
    if config.method != "crop":
        return fit_aspect(image, config).resize((width, height), FILTERS[config.interpolation])
    image = _limit_aspect(image)
    scale = max(height / image.height, width / image.width)
    size = round(image.width * scale), round(image.height * scale)
    return image.resize(size, FILTERS[config.interpolation])


def _limit_aspect(image: Image.Image) -> Image.Image:
    """Crop the middle of an image that is more than ``MAX_ASPECT`` times as long as wide."""
    width = min(image.width, MAX_ASPECT * image.height)
    height = min(image.height, MAX_ASPECT * image.width)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _load_index(folder: Path) -> dict[str, PhotoScan]:
    try:
        entries = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
        return {entry["name"]: PhotoScan(**entry) for entry in entries}
    except (OSError, ValueError, TypeError):
        return {}
