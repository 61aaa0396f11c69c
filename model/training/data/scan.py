"""One look at every photo: can it be read, what is it like, a small copy to learn from."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import imagehash
from PIL import Image

from ...classifier import read_file
from ...errors import PhotoError
from ...photo import read
from ...photo_files import map_ordered
from .discover import LabelledPhoto

__all__ = ["HASH_BITS", "PhotoScan", "scan_photos"]

HASH_SIDE = 16
HASH_BITS = HASH_SIDE**2
QUALITY = 95
INDEX = "looks.json"


@dataclass(frozen=True, slots=True)
class PhotoScan:
    """What was seen of a photo: its file's size, time of change (nanoseconds) and
    SHA-256, perceptual hash (hexadecimal, 256 bits), the small copy's file name; or why
    it was refused.
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
    shape: Callable[[Image.Image], Image.Image],
    *,
    side: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[PhotoScan]:
    """Look at every photo and leave its small copy in ``folder``, on all cores.

    What an earlier call left there is used again, file by file.

    Args:
        photos: what to look at.
        folder: where the copies go.
        shape: turns an upright photo into the copy that is kept.
        side: as small as the shorter side of a photo may be decoded.
        progress: told how many photos are done, of how many.

    Source of the hash: pHash (a low-frequency cosine transform against its median).
    """
    folder.mkdir(parents=True, exist_ok=True)
    former = _former(folder)

    def one(photo: LabelledPhoto) -> PhotoScan:
        try:
            state = photo.path.stat()
        except OSError as error:
            return PhotoScan(photo.name, refusal=f"It cannot be read: {error.strerror}.")
        known = former.get(photo.name)
        same = known and (known.bytes, known.changed) == (state.st_size, state.st_mtime_ns)
        if known and same and (known.refusal or (folder / known.copy).is_file()):
            return known
        return _look(photo, state, folder, shape, side)

    looks = []
    for done, found in enumerate(map_ordered(one, photos), 1):
        looks.append(found)
        progress(done, len(photos))
    _keep(folder, looks)
    return looks


def _look(
    photo: LabelledPhoto,
    state: os.stat_result,
    folder: Path,
    shape: Callable[[Image.Image], Image.Image],
    side: int,
) -> PhotoScan:
    size, changed = state.st_size, state.st_mtime_ns
    try:
        data = read_file(photo.path)
        image = read(data, resize=side).image
    except PhotoError as error:
        return PhotoScan(photo.name, size, changed, refusal=str(error))
    copy = hashlib.sha256(photo.name.encode()).hexdigest()[:24] + ".jpg"
    new = folder / f".{copy}"
    shape(image).save(new, "JPEG", quality=QUALITY)
    new.replace(folder / copy)
    return PhotoScan(
        photo.name,
        size,
        changed,
        sha256=hashlib.sha256(data).hexdigest(),
        hash=str(imagehash.phash(image, hash_size=HASH_SIDE)),
        copy=copy,
    )


def _former(folder: Path) -> dict[str, PhotoScan]:
    try:
        found = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return {one["name"]: PhotoScan(**one) for one in found}
    except (OSError, ValueError, TypeError):
        return {}


def _keep(folder: Path, looks: Sequence[PhotoScan]) -> None:
    new = folder / f".{INDEX}"
    new.write_text(json.dumps([asdict(one) for one in looks]), encoding="utf-8")
    new.replace(folder / INDEX)
