"""What is wrong with photos before anything is learnt from them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .discover import Dataset
from .scan import HASH_BITS, PhotoScan

__all__ = ["Finding", "Report", "report"]

NEAR = 48
"""Bits of 256 in which copies of a photo may differ. Of 80 real photos, half the size at
JPEG quality 60 differed in 8 at most and a crop of one per cent in 30; unrelated ones
in 86 at least."""

FEW = 20
IMBALANCE = 10
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of trouble: ``what`` in words, and the photos or labels it is about."""

    code: str
    what: str
    which: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, and what follows from it.

    Attributes:
        findings: for people, the gravest first.
        left_out: names of photos that are not used, with the reason.
        groups: for every photo by name, the number of its group of near duplicates.
    """

    findings: tuple[Finding, ...]
    left_out: dict[str, str]
    groups: dict[str, int]


def report(found: Dataset, looks: Sequence[PhotoScan]) -> Report:
    """Damaged photos, exact and near duplicates, photos on both sides, few and uneven labels."""
    labels = {photo.name: photo.label for photo in found.photos}
    parts = {photo.name: photo.part for photo in found.photos}
    readable = [one for one in looks if not one.refusal]
    groups = _groups(readable)
    left_out = {one.name: one.refusal for one in looks if one.refusal}
    findings = [
        Finding("empty", "Folders without a photo, left out", found.empty),
        Finding("ignored", "Files of kinds that are not read, left out", found.ignored),
        Finding("damaged", "Photos that cannot be read, left out", tuple(left_out)),
    ]

    both, clash, same, near = [], [], [], []
    for members in _by_group(readable, groups):
        names = [one.name for one in members]
        if len({labels[name] for name in names}) > 1:
            clash.append(" = ".join(names))
        if len({parts[name] for name in names}) > 1:
            shared = [name for name in names if parts[name] == "train"]
            left_out.update(dict.fromkeys(shared, "the same photo is held out"))
            both += shared
        first: dict[tuple[str, object, str], str] = {}
        for one in members:
            key = one.sha256, parts[one.name], labels[one.name]
            if key in first and one.name not in left_out:
                left_out[one.name] = f"a copy of {first[key]}"
                same.append(one.name)
            first.setdefault(key, one.name)
        near += [name for name in names[1:] if name not in left_out]
    counts = Counter(photo.label for photo in found.photos if photo.name not in left_out)
    findings += [
        Finding("both", "Photos that are held out, too, left out of training", tuple(both)),
        Finding(
            "clash",
            "Photos alike under different labels, kept",
            tuple(clash),
        ),
        Finding("same", "Copies of another file, left out", tuple(same)),
        Finding("near", "Photos that look almost like another one, kept on one side", tuple(near)),
        *_uneven(found.labels, counts),
    ]
    return Report(tuple(one for one in findings if one.which), left_out, groups)


def _uneven(labels: Iterable[str], counts: Counter[str]) -> list[Finding]:
    few = tuple(f"{label} ({counts[label]})" for label in labels if counts[label] < FEW)
    most, least = max(counts.values(), default=0), min(counts[label] for label in labels)
    uneven = most > IMBALANCE * max(1, least)
    ends = [min(labels, key=lambda label: counts[label]), max(labels, key=lambda x: counts[x])]
    return [
        Finding("few", f"Labels with fewer than {FEW} photos", few),
        Finding(
            "imbalance",
            "Labels are uneven; the one with least and the one with most photos",
            tuple(f"{label} ({counts[label]:,})" for label in ends) if uneven else (),
        ),
    ]


def _by_group(looks: Sequence[PhotoScan], groups: dict[str, int]) -> list[list[PhotoScan]]:
    """Groups with more than one photo."""
    found: defaultdict[int, list[PhotoScan]] = defaultdict(list)
    for one in looks:
        found[groups[one.name]].append(one)
    return [members for members in found.values() if len(members) > 1]


def _groups(looks: Sequence[PhotoScan]) -> dict[str, int]:
    """Photos whose hashes are near belong together, through others too."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not looks:
        return {}
    bits = np.array([np.frombuffer(bytes.fromhex(one.hash), np.uint8) for one in looks])
    rows, columns = _near_pairs(bits)
    links = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(looks), len(looks)))
    _, numbers = connected_components(links, directed=False)
    return {one.name: int(number) for one, number in zip(looks, numbers, strict=True)}


def _near_pairs(bits: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs that differ in few bits. ``bits`` uint8 [N, 32].

    As a product of ±1: equal bits less different ones, 256 less twice the distance.
    """
    signs = np.unpackbits(bits, axis=1).astype(np.float32) * 2 - 1
    rows, columns = [], []
    step = 2048
    for start in range(0, len(signs), step):
        likeness = signs[start : start + step] @ signs.T
        row, column = np.nonzero(likeness >= HASH_BITS - 2 * NEAR)
        keep = row + start < column
        rows.append(row[keep] + start)
        columns.append(column[keep])
    return np.concatenate(rows), np.concatenate(columns)
