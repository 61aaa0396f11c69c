"""Scan photos: read each once, hash it and write a small copy to train on."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import imagehash
from PIL import Image

from ...classifier import read_file
from ...errors import PhotoError
from ...photo import read
from ...preprocess import FILTERS, PreprocessConfig
from ...progress import SILENT, Progress
from ...storage.atomic import replace_atomically
from ...storage.labelled_photos import LabelledPhoto
from ...storage.photo_files import map_ordered

HASH_SIDE = 16
HASH_BITS = HASH_SIDE**2
JPEG_QUALITY = 95
INDEX_FILE = "looks.json"
COPY_SCALE = 1.25
"""Side of a small copy relative to the side of the network's input."""

MAX_ASPECT = 3
"""Longest side of a small copy relative to its shortest, because strips would stay large."""


@dataclass(frozen=True, slots=True)
class PhotoScan:
    """The scan of one photo.

    It holds the file's size, modification time (``changed``, in nanoseconds) and SHA-256, the
    perceptual ``hash`` (hexadecimal, 256 bits) and the name of the ``copy``, a small JPEG to
    train on. A photo that can't be read has no copy.
    """

    name: str
    bytes: int = -1
    changed: int = 0
    sha256: str = ""
    hash: str = ""
    copy: str = ""


def scan_photos(
    photos: Sequence[LabelledPhoto],
    folder: Path,
    config: PreprocessConfig,
    progress: Progress = SILENT,
) -> list[PhotoScan]:
    """Read every photo, on all cores, and write its small copy to ``folder``.

    Copies that an earlier call wrote are reused.

    Args:
        photos: all photos of a dataset.
        folder: where the copies go.
        config: how the network's input is made.
        progress: told of each photo.

    Source of the hash: pHash (a low-frequency cosine transform against its median).
    """
    folder.mkdir(parents=True, exist_ok=True)
    previous = _load_index(folder)

    def scan(photo: LabelledPhoto) -> PhotoScan:
        try:
            stat = photo.path.stat()
        except OSError:
            return PhotoScan(photo.name)
        last = previous.get(photo.name)
        if (
            last
            and (last.bytes, last.changed) == (stat.st_size, stat.st_mtime_ns)
            and (not last.copy or last.copy == _copy_name(photo, config))
            and (not last.copy or (folder / last.copy).is_file())
        ):
            return last
        return _scan_photo(photo, stat, folder, config)

    scans = list(progress.track("Reading photos", map_ordered(scan, photos), len(photos)))
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
    except PhotoError:
        return PhotoScan(photo.name, size, changed)
    copy = _copy_name(photo, config)
    with replace_atomically(folder / copy) as temporary:
        training_copy(image, config).save(temporary, "JPEG", quality=JPEG_QUALITY)
    sha256, phash = hashlib.sha256(data).hexdigest(), imagehash.phash(image, hash_size=HASH_SIDE)
    return PhotoScan(photo.name, size, changed, sha256, str(phash), copy)


def _copy_name(photo: LabelledPhoto, config: PreprocessConfig) -> str:
    """Return the name of a photo's copy, which differs for each size of the network's input."""
    key = f"{config.resize} {config.interpolation} {photo.name}"
    return f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.jpg"


def training_copy(image: Image.Image, config: PreprocessConfig) -> Image.Image:
    """Return a small copy of a photo, somewhat larger than the network's input.

    The parts that preprocessing would crop are kept, because random crops train on them.
    """
    height, width = (round(side * COPY_SCALE) for side in config.resize)
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
