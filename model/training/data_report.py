"""Scan photos and report on them: what is wrong with the photos before training."""

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..classifier import read_file
from ..errors import PhotoError
from ..events import SILENT, Progress
from ..photo import read
from ..preprocess import FILTERS, PreprocessConfig
from ..storage.disk import replace_atomically
from ..storage.labelled_photos import RECORDING, Dataset, LabelledPhoto
from ..storage.photo_files import map_ordered

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


NEAR_BITS = 48
"""Bits of 256 in which near duplicates may differ. Among 80 real photos, copies at half the
size and JPEG quality 60 differed in at most 8 bits, crops by one per cent in at most 30, and
unrelated photos in at least 86."""

FEW_PHOTOS = 20
MAX_IMBALANCE = 10
"""Photos of the commonest label per photo of the rarest, above which it is reported."""

CHUNK_ROWS = 2048


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of problem, with the names of the photos or labels that have it."""

    code: str
    description: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataReport:
    """Findings, the photos left out because of them, and groups of near duplicates.

    Attributes:
        findings: what to tell the owner, the worst first.
        left_out: names of photos that are not used.
        groups: for every photo by name, the number of its group of near duplicates.
    """

    findings: tuple[Finding, ...]
    left_out: set[str]
    groups: dict[str, int]


def report_on(dataset: Dataset, scans: Sequence[PhotoScan]) -> DataReport:
    """Report damaged photos, duplicates, leaks between the parts, and rare labels."""
    readable = [scan for scan in scans if scan.copy]
    damaged = tuple(scan.name for scan in scans if not scan.copy)
    groups, left_out = _group_duplicates(readable), set(damaged)
    findings = [
        Finding("empty", "Folders without a photo", dataset.empty),
        Finding("ignored", "Files of unsupported types or other labels, skipped", dataset.ignored),
        Finding("damaged", "Photos that can't be read, skipped", damaged),
        *_find_duplicates(dataset, readable, groups, left_out),
    ]
    counts = Counter(photo.label for photo in dataset.photos if photo.name not in left_out)
    findings += _find_imbalance(dataset.labels, counts)
    return DataReport(tuple(finding for finding in findings if finding.names), left_out, groups)


def _find_duplicates(
    dataset: Dataset,
    scans: Sequence[PhotoScan],
    groups: dict[str, int],
    left_out: set[str],
) -> list[Finding]:
    """Find duplicates, and add to ``left_out`` those that are not used."""
    labels = {photo.name: photo.label for photo in dataset.photos}
    parts = {photo.name: photo.part for photo in dataset.photos}
    leaked, conflicting, exact, near = [], [], [], []
    by_group: defaultdict[int, list[PhotoScan]] = defaultdict(list)
    for scan in scans:
        by_group[groups[scan.name]].append(scan)
    for members in by_group.values():
        names = [scan.name for scan in members]
        if len({labels[name] for name in names}) > 1:
            conflicting.append(" = ".join(names))
        if len({parts[name] for name in names}) > 1:
            trained = [name for name in names if parts[name] in ("train", "added")]
            left_out.update(trained)
            leaked += trained
        seen: set[tuple[str, object, str]] = set()
        for scan in members:
            key = scan.sha256, parts[scan.name], labels[scan.name]
            if key in seen and scan.name not in left_out:
                left_out.add(scan.name)
                exact.append(scan.name)
            seen.add(key)
        near += [name for name in names[1:] if name not in left_out]
    return [
        Finding("both", "Duplicates of held-out photos, not trained on", tuple(leaked)),
        Finding("clash", "Near-duplicates with different labels, kept", tuple(conflicting)),
        Finding("same", "Exact duplicates, skipped", tuple(exact)),
        Finding("near", "Near-duplicates, kept in the same part", tuple(near)),
    ]


def _find_imbalance(labels: Iterable[str], counts: Counter[str]) -> list[Finding]:
    few = tuple(f"{label} ({counts[label]})" for label in labels if counts[label] < FEW_PHOTOS)
    rarest = min(labels, key=lambda label: counts[label])
    commonest = max(labels, key=lambda label: counts[label])
    is_imbalanced = counts[commonest] > MAX_IMBALANCE * max(1, counts[rarest])
    return [
        Finding("few", f"Labels with fewer than {FEW_PHOTOS} photos", few),
        Finding(
            "imbalance",
            "Imbalanced labels (fewest and most photos)",
            tuple(f"{label} ({counts[label]:,})" for label in (rarest, commonest))
            if is_imbalanced
            else (),
        ),
    ]


def _group_duplicates(scans: Sequence[PhotoScan]) -> dict[str, int]:
    """Return each photo's group; similar photos share one, even if only linked through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not scans:
        return {}
    bits = np.array([np.frombuffer(bytes.fromhex(scan.hash), np.uint8) for scan in scans])
    rows, columns = _near_pairs(bits)
    # Photos of one recording show the same thing in the same place.
    first: dict[str, int] = {}
    folders = [scan.name.rpartition("/")[0] for scan in scans]
    recorded = [place for place, folder in enumerate(folders) if RECORDING in folder]
    rows = np.append(rows, [first.setdefault(folders[place], place) for place in recorded])
    columns = np.append(columns, recorded)
    links = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(scans), len(scans)))
    _, numbers = connected_components(links, directed=False)
    return {scan.name: int(number) for scan, number in zip(scans, numbers, strict=True)}


def _near_pairs(bits: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return pairs of rows that differ in few bits. ``bits`` uint8 [N, 32].

    The product of two rows of ±1 is the number of equal bits minus that of different ones:
    256 minus twice the distance.
    """
    signs = np.unpackbits(bits, axis=1).astype(np.float32) * 2 - 1
    rows, columns = [], []
    for start in range(0, len(signs), CHUNK_ROWS):
        similarity = signs[start : start + CHUNK_ROWS] @ signs.T
        row, column = np.nonzero(similarity >= HASH_BITS - 2 * NEAR_BITS)
        is_first = row + start < column
        rows.append(row[is_first] + start)
        columns.append(column[is_first])
    return np.concatenate(rows), np.concatenate(columns)
